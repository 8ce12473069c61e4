"""How tables look: as Markdown, as CSV, as LaTeX; and the conventions of the metrics."""

import csv
import io
import re
from typing import TYPE_CHECKING

from tfsdiff.metrics.registry import METRICS

if TYPE_CHECKING:
    from tfsdiff.report.tables import Block, Entry, Table

TITLES = {
    "truth": "Against the ground truth",
    "sources": "Against the sources (mean of the three values)",
}
ARROWS = {"higher": "↑", "lower": "↓"}
CONTROLS = "Controls, not ranked"
_MARKDOWN = {1: "**{}**", 2: "<u>{}</u>"}
_LATEX = {1: r"\textbf{{{}}}", 2: r"\underline{{{}}}"}
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


def markdown_text(text: str) -> str:
    """Escape plain text for Markdown, also inside a table."""
    return re.sub(r"([\\`*_|<>\[\]])", r"\\\1", " ".join(text.split()))


def latex_text(text: str) -> str:
    """Escape plain text for LaTeX."""
    return "".join(_LATEX_CHARACTERS.get(character, character) for character in text)


def conventions() -> str:
    """List the metrics with direction and convention, as Markdown."""
    return "".join(
        f"- **{name}** {ARROWS[metric.better]}: {markdown_text(metric.convention)}\n"
        for name, metric in METRICS.items()
    )


def markdown(table: "Table") -> str:
    """Render as GitHub Markdown, one grid for each scale and reference."""
    parts = [markdown_text(table.caption)]
    for block in table.blocks:
        parts += [f"**×{block.scale}. {TITLES[block.against]}**", _markdown_grid(block)]
    parts += [
        f"<sup>{number}</sup> {markdown_text(note)}"
        for number, note in enumerate(table.notes, start=1)
    ]
    return "\n\n".join([*parts, *map(markdown_text, table.remarks)]) + "\n"


def _markdown_grid(block: "Block") -> str:
    rows = [["Method", *_heads()], ["---", *["---:"] * len(METRICS)]]
    for line in block.ranked:
        rows.append([markdown_text(line.label), *map(_markdown_entry, line.entries)])
    if block.controls:
        rows.append([f"*{CONTROLS}*", *[""] * len(METRICS)])
    for line in block.controls:
        rows.append([markdown_text(line.label), *map(_markdown_entry, line.entries)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _markdown_entry(entry: "Entry") -> str:
    note = f"<sup>{entry.note}</sup>" if entry.note else ""
    return _MARKDOWN.get(entry.place, "{}").format(entry.text) + note


def _heads() -> list[str]:
    return [f"{name} {ARROWS[metric.better]}" for name, metric in METRICS.items()]


def bare(table: "Table") -> str:
    """Render as CSV: the numbers with the digits they were stored with, and no marks."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["against", "scale", "row", "label", "control", *METRICS])
    for block in table.blocks:
        for line in block.lines:
            values = ["" if entry.value is None else entry.value for entry in line.entries]
            control = "yes" if line.control else "no"
            writer.writerow([block.against, block.scale, line.row, line.label, control, *values])
    return file.getvalue()


def latex(table: "Table") -> str:
    """Render as LaTeX that needs the package booktabs: one `table*` for each kind of reference."""
    kinds = {block.against: None for block in table.blocks}
    return "\n".join(_latex_float(table, against) for against in kinds)


def _latex_float(table: "Table", against: str) -> str:
    blocks = [block for block in table.blocks if block.against == against]
    used = {entry.note for block in blocks for line in block.lines for entry in line.entries}
    lines = [
        r"\begin{table*}",
        r"\centering\footnotesize\setlength{\tabcolsep}{4pt}",
        rf"\caption{{{latex_text(f'{table.caption} {TITLES[against]}.')}}}",
        rf"\begin{{tabular}}{{ll{'r' * len(METRICS)}}}",
        r"\toprule",
        " & ".join(["Scale", "Method", *map(latex_text, _heads())]) + r" \\",
    ]
    for block in blocks:
        lines += [r"\midrule", *_latex_lines(block)]
    lines += [r"\bottomrule", r"\end{tabular}"]
    for number, note in enumerate(table.notes, start=1):
        if number in used:
            lines += ["", rf"\textsuperscript{{{number}}} {latex_text(note)}\par"]
    for remark in table.remarks:
        lines += ["", rf"{latex_text(remark)}\par"]
    return "\n".join([*lines, r"\end{table*}"]) + "\n"


def _latex_lines(block: "Block") -> list[str]:
    lines = []
    scale = rf"$\times{block.scale}$"
    for line in (*block.ranked, *block.controls):
        if block.controls and line is block.controls[0]:
            lines.append(rf"\cmidrule(l){{2-{len(METRICS) + 2}}}")
        cells = [scale, latex_text(line.label), *map(_latex_entry, line.entries)]
        lines.append(" & ".join(cells) + r" \\")
        scale = ""
    return lines


def _latex_entry(entry: "Entry") -> str:
    note = rf"\textsuperscript{{{entry.note}}}" if entry.note else ""
    return _LATEX.get(entry.place, "{}").format(latex_text(entry.text)) + note
