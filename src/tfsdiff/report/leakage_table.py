"""Leakage between the parts of a split: a table of its parts, and a list of all groups."""

from collections.abc import Iterable

from tfsdiff.evaluation.leakage import (
    LEVELS,
    PIXELS,
    ComputedGroups,
    Leak,
    Neighbour,
    summarise,
)
from tfsdiff.report.render import EMPTY, Cell, Document, Grid, to_csv

LABELS = {
    "random": "random, as published",
    "patient": "by patient",
    "blocks": "blocks of slices, for want of patients",
}
HEADS = (
    "Split", "Part", "Groups", "Mean", "Median", "Highest",
    *(f"Above {level:g}" for level in LEVELS), "Patient in training",
)  # fmt: skip
COLUMNS = (
    "rule", "part", "group", "patient", "slice",
    "nearest", "nearest_patient", "nearest_slice", "similarity", "patient_seen",
)  # fmt: skip
NOTES = (
    "For every held-out group the most similar one in the training part. Similarity: Pearson's "
    f"correlation of the images, reduced to {PIXELS} × {PIXELS} pixels, mean over the modalities "
    "that both groups have; the same under any gain or window. Groups without a modality in common "
    "are not compared.",
    "Heads are alike, so strangers are similar as well. What leaks is how much nearer neighbours "
    "are under the random split than under the one that keeps patients, or blocks, apart.",
)


def document(
    leaks: Iterable[Leak], caption: str, computed: ComputedGroups | None = None
) -> Document:
    """Lay out a line for each part of each split, and say what computed groups are made of."""
    rows = tuple(tuple(map(Cell, _line(leak))) for leak in leaks)
    remarks = NOTES if computed is None else (*NOTES, _about(computed))
    return Document(caption, (Grid(HEADS, rows, texts=2),), remarks=remarks)


def to_neighbours(leaks: Iterable[Leak]) -> str:
    """Write as CSV, a line a held-out group; what has no neighbour has empty fields."""
    return to_csv(
        COLUMNS,
        ([leak.rule, leak.part, *_fields(one)] for leak in leaks for one in leak.neighbours),
    )


def _about(computed: ComputedGroups) -> str:
    if not computed.count:
        return "There are no computed groups."
    patients = ", ".join(computed.patients)
    made = (
        f"Checked: the {computed.count} computed groups are made of training groups (split: "
        f"{LABELS[computed.rule]}), and of pairs of nobody who has groups in another part"
    )
    return f"{made}. Patients: {patients}."


def _line(leak: Leak) -> list[str]:
    found = summarise(leak.neighbours)
    count = str(found.groups)
    if found.compared < found.groups:
        count += f" ({found.compared} compared)"
    numbers = [
        EMPTY if value is None else f"{value:.3f}"
        for value in (found.mean, found.median, found.highest)
    ]
    above = [EMPTY] * len(LEVELS) if found.above is None else [f"{x:.0%}" for x in found.above]
    return [LABELS[leak.rule], leak.part, count, *numbers, *above, f"{found.patient_seen:.0%}"]


def _fields(one: Neighbour) -> list[str]:
    group = [one.group.group, one.group.patient, str(one.group.slice)]
    near = ["", "", "", ""]
    if one.nearest is not None:
        named = one.nearest
        near = [named.group, named.patient, str(named.slice), f"{one.similarity:.4f}"]
    return [*group, *near, "yes" if one.patient_seen else "no"]
