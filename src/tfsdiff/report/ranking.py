"""Tables 1 and 2: which method is best and second best, by scale, metric and reference."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tfsdiff.evaluation.rows import Row
from tfsdiff.evaluation.scores import NO_TRUTH, Summary
from tfsdiff.metrics.registry import METRICS, Metric
from tfsdiff.report.render import EMPTY, Cell, Document, Grid, Rule, to_csv

TITLES = {
    "truth": "Against the ground truth",
    "sources": "Against the sources (mean of the three values)",
}
ARROWS = {"higher": "↑", "lower": "↓"}
CONTROLS = "Controls, not ranked"
PLACES = {1: "best", 2: "second"}


@dataclass(frozen=True)
class Block:
    """The rows of a table at one scale.

    Attributes:
        scale: under which they stand; rows at full resolution stand under every one.
        ranked: rows that compete.
        controls: rows shown below the others, without a rank.
    """

    scale: int
    ranked: tuple[Row, ...]
    controls: tuple[Row, ...] = ()

    @property
    def rows(self) -> tuple[Row, ...]:
        """All rows, in the order shown."""
        return (*self.ranked, *self.controls)


def rank(
    caption: str,
    blocks: Sequence[Block],
    summaries: Mapping[Row, Summary],
    labels: Mapping[Row, str],
    remarks: Iterable[str] = (),
) -> Document:
    """Lay out a table in which the best and the second best of each column are marked.

    Ranks are those of the printed numbers, so that equal prints share a mark; the second best is
    the next printed number after the best. Where fewer than two rows have a number none is marked.

    Args:
        caption: what the table shows.
        blocks: the scales, in the order shown.
        summaries: of every row.
        labels: names of the rows for readers.
        remarks: sentences below the table.
    """
    if len({summaries[row].images for block in blocks for row in block.rows}) > 1:
        raise ValueError("the rows were scored on different numbers of images")
    notes: list[str] = []
    grids = [
        _grid(against, block, summaries, labels, notes) for against in TITLES for block in blocks
    ]
    return Document(caption, tuple(grids), tuple(notes), tuple(remarks))


def to_numbers(
    blocks: Sequence[Block], summaries: Mapping[Row, Summary], labels: Mapping[Row, str]
) -> str:
    """Write the same table as CSV: all digits that there are, and no marks."""
    lines = [
        [against, block.scale, row.name, labels[row], "yes" if row in block.controls else "no",
         *getattr(summaries[row], against).values()]
        for against in TITLES
        for block in blocks
        for row in block.rows
    ]  # fmt: skip
    return to_csv(["against", "scale", "row", "label", "control", *METRICS], lines)


def head(name: str) -> str:
    """Name of a metric with an arrow to its better values."""
    return f"{name} {ARROWS[METRICS[name].better]}"


def printed(value: float, decimals: int) -> str:
    """A number as tables show it."""
    return f"{value:.{decimals}f}" if math.isfinite(value) else "∞"


def caption_of(
    what: str, profile: str, data: str, test_images: int, hr_pixels: int, training: str
) -> str:
    """Say what a table shows and where its numbers come from."""
    return (
        f"{what} Profile {profile}; data: {data}; {test_images} test images of {hr_pixels} × "
        f"{hr_pixels} pixels; training: {training}. Best bold, second best underlined, per scale "
        "and column."
    )


def _grid(
    against: str,
    block: Block,
    summaries: Mapping[Row, Summary],
    labels: Mapping[Row, str],
    notes: list[str],
) -> Grid:
    """Lay out one block against one kind of reference; reasons not met before go to `notes`."""
    values = {row: getattr(summaries[row], against) for row in block.rows}
    places = {
        name: places_of([values[row][name] for row in block.ranked], metric)
        for name, metric in METRICS.items()
    }

    def line(row: Row) -> tuple[Cell, ...]:
        cells = []
        for name, metric in METRICS.items():
            value = values[row][name]
            if value is None:
                reason = f"{name}: {summaries[row].empty.get(name, NO_TRUTH)}"
                cells.append(Cell(EMPTY, note=_number(reason, notes)))
                continue
            text = printed(value, metric.decimals)
            place = places[name].get(text, 0) if row in block.ranked else 0
            cells.append(Cell(text, PLACES.get(place, "plain")))
        return Cell(labels[row]), *cells

    rows = [line(row) for row in block.ranked]
    if block.controls:
        rows += [Rule(CONTROLS), *map(line, block.controls)]
    heads = ("Method", *map(head, METRICS))
    return Grid(heads, tuple(rows), title=TITLES[against], scale=block.scale)


def places_of(values: Iterable[float | None], metric: Metric) -> dict[str, int]:
    """Printed numbers of one column that are marked, with their place: 1 or 2."""
    numbers = [value for value in values if value is not None]
    if len(numbers) < 2:
        return {}
    order = sorted(numbers, reverse=metric.better == "higher")
    distinct = dict.fromkeys(printed(value, metric.decimals) for value in order)
    return {text: place for place, text in enumerate(distinct, start=1) if place <= 2}


def _number(note: str, notes: list[str]) -> int:
    if note not in notes:
        notes.append(note)
    return notes.index(note) + 1
