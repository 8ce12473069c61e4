"""The split of the groups into training, validation and test subset (`part` in its file).

All three rules order groups and patients by hashes of their names (`tfsdiff.core.seeding.derive`),
so a split depends on the seed and on the set of groups, not on their order. For shares t : v : s of
N groups (84 : 10 : 25 in the paper, whose counts they are for N = 119) the subsets end at the
rounded cumulative shares.

`random`  Groups are sorted by hash; the first are for training, the next for validation, the rest
    for the test. As in the paper, neighbouring slices of one patient fall into different subsets.
    When k groups are added, at most k of the older ones cross each of the two borders.
`patient`  No patient is in two subsets. Patients are ranked by hash within their combination of
    modalities and sorted by this rank, so that the first ones are of different combinations;
    patients who are alone in their combination come last, as training needs them most. First the
    smaller, then the larger of validation and test takes patients in this order: each one that
    brings its number of groups closer to its share, and at least one. Training gets the rest. The
    order of older patients of a combination never changes, so a new patient moves others only where
    it changes how a subset fills up.
`blocks`  Replaces `patient` for fewer than three patients. The slices of each patient are cut, in
    their order, into three blocks, with `gap_slices` slices between them that are `unused`; the
    hash decides from which end. A patient with too few slices for that is used for training.
"""

import csv
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Literal, get_args

from tfsdiff.common.errors import InputError
from tfsdiff.common.files import replacing
from tfsdiff.core.seeding import derive
from tfsdiff.data.slices import Group
from tfsdiff.params import Split

Part = Literal["train", "validation", "test", "unused"]
Rule = Literal["random", "patient", "blocks"]
PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class Place:
    """One row of a split: a group, the subset it is in, and the rule that decided so."""

    group: str
    patient: str
    combination: str
    slice: int
    part: Part
    rule: Rule


def split(groups: Sequence[Group], settings: Split, seed: int) -> list[Place]:
    """Assign every group to a subset by a rule of this module; sorted by group.

    Raises:
        InputError: there are fewer than three groups, or too few slices for blocks.
    """
    if len(groups) < 3:
        raise InputError(f"{len(groups)} groups cannot be split in three parts; give at least 3")
    rule: Rule = settings.rule
    if rule == "patient" and len({group.patient for group in groups}) < 3:
        rule = "blocks"
    parts = _RULES[rule](groups, settings, seed)
    return [
        Place(group.group, group.patient, group.combination, group.slice, parts[group.group], rule)
        for group in sorted(groups, key=lambda group: group.group)
    ]


def write_split(path: Path, places: Iterable[Place]) -> None:
    """Write a split as CSV with the columns group, patient, combination, slice, part and rule."""
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        names = [field.name for field in fields(Place)]
        writer = csv.DictWriter(stream, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(place) for place in places)


def read_split(path: Path) -> list[Place]:
    """Read what `write_split` wrote.

    Raises:
        InputError: the file is missing or is no split.
    """
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            places = [_place(row) for row in csv.DictReader(stream)]
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}); `dvc repro` makes it"
        ) from None
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        raise InputError(f"{path}: no split ({error}); `dvc repro` makes it anew") from None
    if not places:
        raise InputError(f"{path}: no split (it is empty); `dvc repro` makes it anew")
    return places


def _place(row: dict[str, str]) -> Place:
    if row["part"] not in get_args(Part) or row["rule"] not in get_args(Rule):
        raise ValueError(f"part '{row['part']}', rule '{row['rule']}'")
    return Place(**(row | {"slice": int(row["slice"])}))


def _borders(count: int, settings: Split) -> tuple[int, int]:
    # Ends of the training and of the validation subset: rounded shares, and no subset empty.
    total = settings.train + settings.validation + settings.test
    first = (2 * count * settings.train + total) // (2 * total)
    second = (2 * count * (settings.train + settings.validation) + total) // (2 * total)
    first = min(max(first, 1), count - 2)
    return first, min(max(second, first + 1), count - 1)


def _random(groups: Sequence[Group], settings: Split, seed: int) -> dict[str, Part]:
    names = sorted((group.group for group in groups), key=lambda name: _hash(seed, "group", name))
    first, second = _borders(len(names), settings)
    return {name: PARTS[(index >= first) + (index >= second)] for index, name in enumerate(names)}


def _patient(groups: Sequence[Group], settings: Split, seed: int) -> dict[str, Part]:
    members = _by_patient(groups)
    waiting = _patient_order(members, seed)
    total = settings.train + settings.validation + settings.test
    parts: dict[str, Part] = {group.group: "train" for group in groups}
    smaller_first = sorted(("validation", "test"), key=lambda part: getattr(settings, part))
    if (left_out := settings.test_patient) is not None:
        if left_out not in members:
            raise InputError(
                f"split.test_patient: {left_out!r} is none of {', '.join(sorted(members))}"
            )
        waiting.remove(left_out)
        smaller_first.remove("test")
        parts |= {group.group: "test" for group in members[left_out]}
    for still_needed, part in zip(range(len(smaller_first), 0, -1), smaller_first, strict=True):
        share = len(groups) * getattr(settings, part) / total
        sizes = {patient: len(members[patient]) for patient in waiting}
        for patient in _fill(sizes, share, len(waiting) - still_needed):
            waiting.remove(patient)
            parts |= {group.group: part for group in members[patient]}
    return parts


def _patient_order(members: dict[str, list[Group]], seed: int) -> list[str]:
    kin = defaultdict(list)  # combination: its patients by hash
    for patient in sorted(members, key=lambda name: _hash(seed, "patient", name)):
        kin["+".join(sorted({group.combination for group in members[patient]}))].append(patient)
    rank = {
        patient: position if len(patients) > 1 else len(members)
        for patients in kin.values()
        for position, patient in enumerate(patients)
    }
    return sorted(members, key=lambda name: (rank[name], _hash(seed, "patient", name)))


def _fill(sizes: dict[str, int], share: float, most: int) -> list[str]:
    # Patients, in the order of `sizes`, that bring the sum of sizes closer to `share`.
    taken: list[str] = []
    count = 0
    for patient, size in sizes.items():
        if len(taken) < most and abs(count + size - share) < abs(count - share):
            taken.append(patient)
            count += size
    return taken or [min(sizes, key=sizes.__getitem__)]


def _blocks(groups: Sequence[Group], settings: Split, seed: int) -> dict[str, Part]:
    parts: dict[str, Part] = {}
    for patient, members in _by_patient(groups).items():
        slices = sorted({group.slice for group in members})
        if _hash(seed, "patient", patient) % 2:
            slices.reverse()
        part = dict(zip(slices, _cut(len(slices), settings), strict=True))
        parts |= {group.group: part[group.slice] for group in members}
    if "test" not in parts.values():
        least = 3 + 2 * settings.gap_slices
        raise InputError(
            f"no patient has the {least} slices that blocks with gaps need; lower "
            "split.gap_slices, give more patients, or set split.rule to random"
        )
    return parts


def _cut(count: int, settings: Split) -> list[Part]:
    gap = settings.gap_slices
    used = count - 2 * gap
    if used < 3:
        return ["train"] * count
    first, second = _borders(used, settings)
    unused: list[Part] = ["unused"] * gap
    return [
        *["train"] * first, *unused,
        *["validation"] * (second - first), *unused,
        *["test"] * (used - second),
    ]  # fmt: skip


def _by_patient(groups: Sequence[Group]) -> dict[str, list[Group]]:
    members = defaultdict(list)
    for group in groups:
        members[group.patient].append(group)
    return dict(members)


def _hash(seed: int, *words: str) -> int:
    return derive(seed, "split", *words)


_RULES: dict[Rule, Callable[[Sequence[Group], Split, int], dict[str, Part]]] = {
    "random": _random,
    "patient": _patient,
    "blocks": _blocks,
}
