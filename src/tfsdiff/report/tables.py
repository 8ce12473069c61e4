"""Tables 1 and 2: methods against metrics, per scale, as Markdown, CSV and LaTeX."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tfsdiff.evaluation.scores import Statistic, Summary
from tfsdiff.metrics.registry import METRICS
from tfsdiff.report import markup

DECIMALS = {
    "AG": 3,
    "MSE": 1,
    "VIF": 4,
    "SSIM": 4,
    "PSNR": 2,
    "LPIPS": 4,
    "MAE": 2,
    "RMSE": 2,
}
NO_TRUTH = "no ground truth"


@dataclass(frozen=True)
class Entry:
    """One number of a table.

    Attributes:
        value: the mean, None where empty.
        text: the number as printed; "–" where empty.
        place: 1 for the best of its column, 2 for the second best, 0 for the others.
        note: number of the footnote that says why it is empty, else 0.
    """

    value: float | None
    text: str
    place: int = 0
    note: int = 0


@dataclass(frozen=True)
class Line:
    """One method at one scale, with an entry for every metric."""

    row: str
    label: str
    control: bool
    entries: tuple[Entry, ...]


@dataclass(frozen=True)
class Block:
    """The lines of one scale against one kind of reference; controls come last."""

    against: str
    scale: int
    lines: tuple[Line, ...]

    @property
    def ranked(self) -> tuple[Line, ...]:
        """The methods."""
        return tuple(line for line in self.lines if not line.control)

    @property
    def controls(self) -> tuple[Line, ...]:
        """The rows that do not compete."""
        return tuple(line for line in self.lines if line.control)


@dataclass(frozen=True)
class Table:
    """A table ready for printing; the blocks against the ground truth come first."""

    caption: str
    blocks: tuple[Block, ...]
    notes: tuple[str, ...]
    remarks: tuple[str, ...] = ()

    def markdown(self) -> str:
        """Render as GitHub Markdown: the best bold, the second best underlined."""
        return markup.markdown(self)

    def csv(self) -> str:
        """Render the bare numbers; empty where there is none."""
        return markup.bare(self)

    def latex(self) -> str:
        r"""Render as a LaTeX `table*`; the document needs `\usepackage{booktabs}`."""
        return markup.latex(self)


def render_table(
    cells: Mapping[tuple[str, int], Summary],
    rows: Sequence[str],
    scales: Sequence[int],
    caption: str,
    controls: Sequence[str] = (),
    labels: Mapping[str, str] | None = None,
    remarks: Sequence[str] = (),
) -> Table:
    """Rank the rows per scale and metric, and lay them out.

    Ranks are those of the printed numbers, so that equal prints share a mark; the second best is
    the next printed number after the best. Where fewer than two rows have a number none is marked.

    Args:
        cells: {(row, scale): summary} for every row, control and scale.
        rows: the methods, in the order shown.
        scales: the scales, in the order shown.
        caption: plain text; see the function of that name.
        controls: rows shown below the others and left out of the ranking.
        labels: {row: name for readers}; a row without one is shown under its own name.
        remarks: sentences below the table.
    """
    missing = [(row, s) for s in scales for row in (*rows, *controls) if (row, s) not in cells]
    if missing:
        raise ValueError(f"no scores for {missing}")
    if len({cells[row, s].images for s in scales for row in (*rows, *controls)}) > 1:
        raise ValueError("the cells were scored on different numbers of images")
    notes: list[str] = []
    blocks = []
    for against in markup.TITLES:
        for scale in scales:
            lines = [
                _line(cells[row, scale], against, row in controls, labels or {}, notes)
                for row in (*rows, *controls)
            ]
            blocks.append(Block(against, scale, _ranked(lines)))
    return Table(caption, tuple(blocks), tuple(notes), tuple(remarks))


def caption(
    what: str, profile: str, data: str, test_images: int, hr_pixels: int, training: str
) -> str:
    """Say what a table shows and where its numbers come from: one line of plain text."""
    return (
        f"{what} Profile {profile}; data: {data}; {test_images} test images of {hr_pixels} × "
        f"{hr_pixels} pixels; training: {training}. Best bold, second best underlined, per scale "
        "and column."
    )


def _line(
    summary: Summary, against: str, control: bool, labels: Mapping[str, str], notes: list[str]
) -> Line:
    """Lay out one row; reasons not met before are added to `notes`."""
    statistics = getattr(summary, against)
    entries = tuple(
        _entry(name, statistics[name], f"{name}: {summary.empty.get(name, NO_TRUTH)}", notes)
        for name in METRICS
    )
    return Line(summary.row, labels.get(summary.row, summary.row), control, entries)


def _entry(name: str, statistic: Statistic | None, reason: str, notes: list[str]) -> Entry:
    if statistic is not None:
        value = statistic.mean
        text = f"{value:.{DECIMALS[name]}f}" if math.isfinite(value) else "∞"
        return Entry(value, text)
    if reason not in notes:
        notes.append(reason)
    return Entry(None, "–", note=notes.index(reason) + 1)


def _ranked(lines: Sequence[Line]) -> tuple[Line, ...]:
    """Mark the best and second best of every column among the lines that are no controls."""
    places = [_places(name, slot, lines) for slot, name in enumerate(METRICS)]
    return tuple(line if line.control else _marked(line, places) for line in lines)


def _marked(line: Line, places: Sequence[Mapping[str, int]]) -> Line:
    pairs = zip(line.entries, places, strict=True)
    entries = tuple(replace(entry, place=place.get(entry.text, 0)) for entry, place in pairs)
    return replace(line, entries=entries)


def _places(name: str, slot: int, lines: Sequence[Line]) -> dict[str, int]:
    """Printed numbers of one column that are marked, with their place."""
    entries = [line.entries[slot] for line in lines if not line.control]
    printed = [(entry.value, entry.text) for entry in entries if entry.value is not None]
    if len(printed) < 2:
        return {}
    order = sorted(printed, reverse=METRICS[name].better == "higher")
    distinct = dict.fromkeys(text for _, text in order)
    return {text: place for place, text in enumerate(distinct, start=1) if place <= 2}
