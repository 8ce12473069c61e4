"""Leakage from the training part of a split: how similar held-out groups are to training ones.

The similarity of two groups is that of `tfsdiff.evaluation.similarity`.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:  # avoids the import of PyTorch, which neighbours do not need
    from tfsdiff.data.slices import Group

PIXELS = 32  # side to which images are reduced before they are compared
LEVELS = (0.9, 0.95)  # similarities above which neighbours are counted


@dataclass(frozen=True)
class Neighbour:
    """A held-out group and the group in training that is most like it.

    Attributes:
        group: the held-out group.
        nearest: its nearest neighbour, or None where no group in training is comparable.
        similarity: of the two, -1 to 1.
        patient_seen: whether any group in training is of the same patient.
    """

    group: "Group"
    nearest: "Group | None"
    similarity: float | None
    patient_seen: bool


@dataclass(frozen=True)
class Leak:
    """The neighbours in training of one part of a split.

    Attributes:
        rule: of the split.
        part: whose neighbours they are, validation or test.
        neighbours: one a group, at least one.
    """

    rule: str
    part: str
    neighbours: tuple[Neighbour, ...]


@dataclass(frozen=True)
class ComputedGroups:
    """Computed groups, checked not to be made of what is held out.

    Attributes:
        count: how many there are.
        patients: of whom they are made.
        rule: of the split that they were checked against.
    """

    count: int
    patients: tuple[str, ...]
    rule: str


@dataclass(frozen=True)
class Summary:
    """Leakage into one part.

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


def neighbours(
    groups: Sequence["Group"],
    similarity: NDArray[np.float64],
    held_out: Sequence["Group"],
    training: Sequence["Group"],
) -> list[Neighbour]:
    """Find the nearest neighbour in training of every held-out group; of equal ones the first.

    Args:
        groups: all groups, in the order of the rows of `similarity`.
        similarity: what `similarity.similarities` gave, (N, N); NaN where not comparable.
        held_out: whose neighbours to find, some of `groups`.
        training: among which, at least one of `groups`.
    """
    place = {group.group: i for i, group in enumerate(groups)}
    patients = {group.patient for group in training}
    columns = [place[group.group] for group in training]
    found = []
    for group in held_out:
        row = similarity[place[group.group], columns]
        nearest, value = None, None
        if not np.isnan(row).all():
            best = int(np.nanargmax(row))
            nearest, value = training[best], float(row[best])
        found.append(Neighbour(group, nearest, value, group.patient in patients))
    return found


def summarise(found: Sequence[Neighbour]) -> Summary:
    """Summarise the neighbours of at least one group."""
    values = [one.similarity for one in found if one.similarity is not None]
    seen = statistics.fmean(one.patient_seen for one in found)
    if not values:
        return Summary(len(found), 0, None, None, None, None, seen)
    return Summary(
        len(found),
        len(values),
        statistics.fmean(values),
        statistics.median(values),
        max(values),
        tuple(statistics.fmean(value > level for value in values) for level in LEVELS),
        seen,
    )


def typical(found: Sequence[Neighbour]) -> Neighbour | None:
    """The one of median similarity (of two, the lower), or None where nothing is comparable."""
    compared = [one for one in found if one.similarity is not None]
    ordered = sorted(compared, key=lambda one: (one.similarity, one.group.group))
    return ordered[(len(ordered) - 1) // 2] if ordered else None
