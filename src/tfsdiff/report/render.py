"""Rendering of tables: one description, written as Markdown, LaTeX or CSV."""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

EMPTY = "–"  # stands where there is no number
_MARKDOWN = {"plain": "{}", "best": "**{}**", "second": "<u>{}</u>", "code": "`{}`"}
_LATEX = {
    "plain": "{}",
    "best": r"\textbf{{{}}}",
    "second": r"\underline{{{}}}",
    "code": r"\texttt{{{}}}",
}
_LATEX_CHARACTERS = {
    "\\": r"\textbackslash{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"$<$",
    ">": r"$>$",
    "|": r"$|$",
    '"': r"\textquotedbl{}",
    "±": r"$\pm$",
    "×": r"$\times$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "∞": r"$\infty$",
    "²": r"$^2$",
    "σ": r"$\sigma$",
    "–": "--",
    "—": "---",
    "…": r"\dots{}",
}


@dataclass(frozen=True)
class Cell:
    """One cell of a table.

    Attributes:
        text: plain text; empty for nothing.
        style: how it is set.
        note: number of a footnote of the document, else 0.
    """

    text: str
    style: Literal["plain", "best", "second", "code"] = "plain"
    note: int = 0


@dataclass(frozen=True)
class Rule:
    """A line of its own that sets the rows below it apart, and says what they are."""

    text: str


@dataclass(frozen=True)
class Grid:
    """Rows under one head.

    Attributes:
        heads: of the columns.
        rows: as many cells each, or a rule.
        texts: how many columns, from the left, are text; numbers stand at the right.
        title: of the grid; those of one title are one table in LaTeX.
        scale: that all rows have, if there are grids for several scales.
    """

    heads: tuple[str, ...]
    rows: tuple[tuple[Cell, ...] | Rule, ...]
    texts: int = 1
    title: str = ""
    scale: int | None = None


@dataclass(frozen=True)
class Document:
    """Grids with what is said about them, in plain text.

    Attributes:
        caption: above them.
        grids: in their order.
        footnotes: referred to by number, from 1.
        remarks: paragraphs at the end.
    """

    caption: str
    grids: tuple[Grid, ...]
    footnotes: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


def to_csv(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Write bare values as CSV; None leaves its field empty."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(heads)
    writer.writerows(rows)
    return file.getvalue()


def to_markdown(document: Document) -> str:
    """Write as GitHub Markdown: the best bold, the second best underlined."""
    parts = [markdown_text(document.caption)]
    for grid in document.grids:
        scale = "" if grid.scale is None else f"×{grid.scale}. "
        parts += [f"**{scale}{grid.title}**"] if grid.title else []
        parts.append(_markdown_grid(grid))
    parts += [
        f"<sup>{number}</sup> {markdown_text(note)}"
        for number, note in enumerate(document.footnotes, start=1)
    ]
    return "\n\n".join([*parts, *map(markdown_text, document.remarks)]) + "\n"


def to_latex(document: Document) -> str:
    r"""Write as LaTeX: a `table*` for each title; it needs `\usepackage{booktabs}`."""
    tables = groupby(document.grids, lambda grid: grid.title)
    return "\n".join(_latex_table(document, title, list(grids)) for title, grids in tables)


def markdown_text(text: str) -> str:
    """Escape plain text for Markdown, also inside a table."""
    return re.sub(r"([\\`*_|<>\[\]])", r"\\\1", " ".join(text.split()))


def latex_text(text: str) -> str:
    """Escape plain text for LaTeX."""
    return "".join(_LATEX_CHARACTERS.get(character, character) for character in text)


def _markdown_grid(grid: Grid) -> str:
    numbers = len(grid.heads) - grid.texts
    lines = [list(grid.heads), ["---"] * grid.texts + ["---:"] * numbers]
    for row in grid.rows:
        if isinstance(row, Rule):
            lines.append([f"*{row.text}*", *[""] * (len(grid.heads) - 1)])
        else:
            lines.append([_markdown_cell(cell) for cell in row])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _markdown_cell(cell: Cell) -> str:
    if not cell.text:
        return ""
    text = cell.text if cell.style == "code" else markdown_text(cell.text)
    note = f"<sup>{cell.note}</sup>" if cell.note else ""
    return _MARKDOWN[cell.style].format(text) + note


def _latex_table(document: Document, title: str, grids: Sequence[Grid]) -> str:
    heads, texts = grids[0].heads, grids[0].texts
    scaled = grids[0].scale is not None
    columns = "l" * (scaled + texts) + "r" * (len(heads) - texts)
    caption = f"{document.caption} {title}." if title else document.caption
    lines = [
        r"\begin{table*}",
        r"\centering\footnotesize\setlength{\tabcolsep}{4pt}",
        rf"\caption{{{latex_text(caption)}}}",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        " & ".join([*["Scale"] * scaled, *map(latex_text, heads)]) + r" \\",
    ]
    for grid in grids:
        lines += [r"\midrule", *_latex_rows(grid)]
    lines += [r"\bottomrule", r"\end{tabular}"]
    rows = [row for grid in grids for row in grid.rows if not isinstance(row, Rule)]
    used = {cell.note for row in rows for cell in row}
    for number, note in enumerate(document.footnotes, start=1):
        if number in used:
            lines += ["", rf"\textsuperscript{{{number}}} {latex_text(note)}\par"]
    for remark in document.remarks:
        lines += ["", rf"{latex_text(remark)}\par"]
    return "\n".join([*lines, r"\end{table*}"]) + "\n"


def _latex_rows(grid: Grid) -> list[str]:
    scaled = grid.scale is not None
    first = [rf"$\times{grid.scale}$"] if scaled else []
    lines = []
    for row in grid.rows:
        if isinstance(row, Rule):
            lines.append(rf"\cmidrule(l){{{1 + scaled}-{len(grid.heads) + scaled}}}")
        else:
            lines.append(" & ".join([*first, *map(_latex_cell, row)]) + r" \\")
            first = [""] * scaled
    return lines


def _latex_cell(cell: Cell) -> str:
    note = rf"\textsuperscript{{{cell.note}}}" if cell.note else ""
    return _LATEX[cell.style].format(latex_text(cell.text)) + note
