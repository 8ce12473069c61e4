"""What leaks between the parts of a split, as CSV (each held-out group) and as Markdown."""

import csv
import io
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tfsdiff.data.split import Part, Rule
from tfsdiff.evaluation.leakage import PIXELS, Neighbour

HEADER = (
    "rule", "part", "group", "patient", "slice",
    "nearest", "nearest_patient", "nearest_slice", "similarity", "patient_seen",
)  # fmt: skip
LEVELS = (0.9, 0.95)  # above which neighbours are counted
EMPTY = "–"
LABELS = {
    "random": "random, as published",
    "patient": "by patient",
    "blocks": "blocks of slices, for want of patients",
}
NOTES = (
    "For every held-out group the most similar one in the training part. Similarity: Pearson's "
    f"correlation of the images, reduced to {PIXELS} × {PIXELS} pixels, mean over the modalities "
    "that both groups have; the same under any gain or window. Groups without a modality in common "
    "are not compared.",
    "Heads are alike, so strangers are similar as well. What leaks is how much nearer neighbours "
    "are under the random split than under the one that keeps patients, or blocks, apart.",
)


@dataclass(frozen=True)
class Leak:
    """The neighbours in training of one part of a split."""

    rule: Rule
    part: Part
    neighbours: tuple[Neighbour, ...]


@dataclass(frozen=True)
class Summary:
    """What leaks into one part.

    Attributes:
        groups: how many there are.
        compared: how many of them have a neighbour; over these go the next four.
        mean, median, highest: similarity of the neighbours, None where there is none.
        above: shares of them above each of LEVELS.
        patient_seen: share of all groups whose patient has slices in training.
    """

    groups: int
    compared: int
    mean: float | None
    median: float | None
    highest: float | None
    above: tuple[float, ...] | None
    patient_seen: float


def summarise(neighbours: Sequence[Neighbour]) -> Summary:
    """Summarise the neighbours of at least one group."""
    values = [one.similarity for one in neighbours if one.similarity is not None]
    seen = statistics.fmean(one.patient_seen for one in neighbours)
    if not values:
        return Summary(len(neighbours), 0, None, None, None, None, seen)
    return Summary(
        len(neighbours),
        len(values),
        statistics.fmean(values),
        statistics.median(values),
        max(values),
        tuple(statistics.fmean(value > level for value in values) for level in LEVELS),
        seen,
    )


def bare(leaks: Iterable[Leak]) -> str:
    """Render as CSV, a line a held-out group; what has no neighbour has empty fields."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(HEADER)
    for leak in leaks:
        writer.writerows([leak.rule, leak.part, *_fields(one)] for one in leak.neighbours)
    return file.getvalue()


def _fields(one: Neighbour) -> list[str]:
    group = [one.group.group, one.group.patient, str(one.group.slice)]
    near = ["", "", "", ""]
    if one.nearest is not None:
        named = one.nearest
        near = [named.group, named.patient, str(named.slice), f"{one.similarity:.4f}"]
    return [*group, *near, "yes" if one.patient_seen else "no"]


def markdown(leaks: Iterable[Leak], caption: str) -> str:
    """Render as GitHub Markdown: a line a part of each split, under `caption`."""
    heads = [
        "Split", "Part", "Groups", "Mean", "Median", "Highest",
        *(f"Above {level:g}" for level in LEVELS), "Patient in training",
    ]  # fmt: skip
    lines = [heads, ["---", "---", *["---:"] * (len(heads) - 2)]]
    lines += [_line(leak) for leak in leaks]
    grid = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return "\n\n".join([caption, grid, *NOTES]) + "\n"


def _line(leak: Leak) -> list[str]:
    found = summarise(leak.neighbours)
    count = str(found.groups)
    if found.compared < found.groups:
        count += f" ({found.compared} compared)"
    numbers = [_number(value) for value in (found.mean, found.median, found.highest)]
    above = [EMPTY] * len(LEVELS) if found.above is None else [f"{x:.0%}" for x in found.above]
    return [LABELS[leak.rule], leak.part, count, *numbers, *above, f"{found.patient_seen:.0%}"]


def _number(value: float | None) -> str:
    return EMPTY if value is None else f"{value:.3f}"
