"""What the methods cost: parameters, operations, seconds and memory, as CSV and as Markdown."""

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass

from tfsdiff.report.labels import ENLARGER, label
from tfsdiff.report.markup import markdown_text

HEADS = ("Method", "Parameters", "Operations", "Seconds", "Peak memory")
MEMBERS = "Members of the cascades"
EMPTY = "–"
PREFIXES = ("", "k", "M", "G", "T", "P", "E")


@dataclass(frozen=True)
class Row:
    """What a method costs for one group.

    Attributes:
        name: of a row of Table 1, or of an enlarger.
        parameters: numbers that were learned.
        operations: of its networks, two a multiplication and addition; None without a network.
        seconds: of a fusion.
        memory: largest in use while it fuses, in bytes; None where that was not measured.
    """

    name: str
    parameters: int
    operations: int | None
    seconds: float
    memory: int | None


def cascade(enlarger: Row, fuser: Row, name: str) -> Row:
    """What the fuser called `name` costs behind an enlarger: the sum, but the larger memory."""
    operations = [one.operations for one in (enlarger, fuser) if one.operations is not None]
    memory = [one.memory for one in (enlarger, fuser) if one.memory is not None]
    return Row(
        ENLARGER.join((name, enlarger.name)),
        enlarger.parameters + fuser.parameters,
        sum(operations) if operations else None,
        enlarger.seconds + fuser.seconds,
        max(memory, default=None),
    )


def repeatable(rows: Iterable[Row]) -> str:
    """Render as CSV what is the same in every run: parameters and operations."""
    return _csv(["row", "parameters", "operations"], (astuple(row)[:3] for row in rows))


def everything(rows: Iterable[Row]) -> str:
    """Render all numbers as CSV; seconds and bytes differ from run to run."""
    heads = ["row", "parameters", "operations", "seconds", "peak_bytes"]
    return _csv(heads, ([*astuple(row)[:3], f"{row.seconds:.4g}", row.memory] for row in rows))


def _csv(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(heads)
    writer.writerows(rows)  # None is left empty
    return file.getvalue()


def markdown(
    caption: str,
    methods: Iterable[Row],
    members: Iterable[Row],
    notes: Sequence[str],
    labels: Mapping[str, str] | None = None,
) -> str:
    """Render as GitHub Markdown.

    Args:
        caption: what was measured, where; plain text.
        methods: the rows of Table 1.
        members: what the cascades among them consist of, shown below the others.
        notes: sentences below the table.
        labels: {row: name for readers} of rows that `names.label` does not know.
    """
    named = labels or {}
    lines = [HEADS, ("---", *["---:"] * (len(HEADS) - 1))]
    lines += [_line(row, named) for row in methods]
    lines.append((f"*{MEMBERS}*", *[""] * (len(HEADS) - 1)))
    lines += [_line(row, named) for row in members]
    grid = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return "\n\n".join([markdown_text(caption), grid, *map(markdown_text, notes)]) + "\n"


def _line(row: Row, labels: Mapping[str, str]) -> tuple[str, ...]:
    return (
        markdown_text(labels.get(row.name, label(row.name))),
        quantity(row.parameters, ""),
        EMPTY if row.operations is None else quantity(row.operations, "FLOP"),
        duration(row.seconds),
        EMPTY if row.memory is None else quantity(row.memory, "B"),
    )


def quantity(value: int, unit: str) -> str:
    """Three digits, with a prefix of the SI: 1.19 M, 360 GFLOP, 394 MB."""
    exponent = math.floor(math.log10(float(f"{value:.2e}"))) if value else 0
    place = min(exponent // 3, len(PREFIXES) - 1)
    if place == 0:
        return f"{value} {unit}".strip()
    text = f"{value / 1000**place:.{max(0, 2 - (exponent - 3 * place))}f}"
    return f"{text} {PREFIXES[place]}{unit}"


def duration(seconds: float) -> str:
    """Three digits of seconds, or of milliseconds below one; less than one is not told apart."""
    if seconds < 1e-3:
        return "under 1 ms"
    value, unit = (seconds, "s") if seconds >= 0.9995 else (1e3 * seconds, "ms")
    exponent = math.floor(math.log10(float(f"{value:.2e}")))
    return f"{value:.{max(0, 2 - exponent)}f} {unit}"
