"""What computed groups were made of: written to their manifest, and checked against a split."""

import re
from collections.abc import Iterable, Sequence

from tfsdiff.common.errors import InputError
from tfsdiff.data.slices import Group
from tfsdiff.data.split import Place
from tfsdiff.data.synthesis.studies import Study, person

_ORIGIN = re.compile(r"(group|pair) (.+?)(?= and (?:group|pair) |$)")


def fields(kind: str, studies: Sequence[Study]) -> dict[str, str]:
    """The fields `patient` and `source` of the manifest, for a group made of `studies`."""
    return {
        "patient": "+".join(study.patient for study in studies),
        "source": f"{kind} of " + " and ".join(study.origin for study in studies),
    }


def check(computed: Iterable[Group], places: Sequence[Place]) -> tuple[str, ...]:
    """Check that computed groups are made of what a split has for training.

    A training group may go in, and a pair whose patient has no group in another part.

    Returns:
        Patients of whom they are made, sorted; each once, by the shorter of their names.

    Raises:
        InputError: a group is made of something else; names the first.
    """
    training = {place.group for place in places if place.part == "train"}
    unseen = {person(place.patient) for place in places if place.part != "train"}
    patients = set()
    for group in computed:
        origins = _ORIGIN.findall(group.source.partition(" of ")[2])
        names = group.patient.split("+")
        if len(origins) != len(names):
            raise InputError(
                f"computed group {group.group}: patient '{group.patient}' and source "
                f"'{group.source}' do not agree; run the stage synthesise again"
            )
        for (kind, origin), patient in zip(origins, names, strict=True):
            held_out = person(patient) in unseen if kind == "pair" else origin not in training
            if held_out:
                raise InputError(
                    f"computed group {group.group} is made of {kind} {origin} of patient "
                    f"{patient}, who is validated or tested on; run the stage synthesise again"
                )
            patients.add(person(patient))
    return tuple(sorted(patients))
