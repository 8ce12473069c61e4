"""Nothing of a patient who is validated or tested on goes into computed groups."""

from dataclasses import replace

import pytest

from tfsdiff.common.errors import InputError
from tfsdiff.data.slices import Group
from tfsdiff.data.split import Place
from tfsdiff.data.synthesis import origins
from tfsdiff.data.synthesis.studies import Study

PLACES = [
    Place("case1-0", "case1", "c", 0, "train", "patient"),
    Place("case2-0", "case2", "c", 0, "train", "patient"),
    Place("case18-0", "case18", "c", 0, "validation", "patient"),
    Place("case28-0", "case28", "c", 0, "test", "patient"),
]


def computed(*studies):
    made = origins.fields("borrow", [Study(origin, patient, ()) for origin, patient in studies])
    names = ("CT", "MR-T2", "SPECT-Tc")
    return Group("computed-00000", "_".join(names), slice=0, anatomical_1=names[0],
                 anatomical_2=names[1], functional=names[2], **made)  # fmt: skip


def test_patients_are_named_once():
    groups = [
        computed(("group case1-0", "case1"), ("pair SPECT-MR/3-1", "3")),
        computed(("pair A and B/3-2", "3"), ("group case2-0", "case2")),
    ]
    assert origins.check(groups, PLACES) == ("1", "2", "3")
    assert origins.check([], PLACES) == ()


@pytest.mark.parametrize(
    "origin",
    [
        ("group case28-0", "case28"), ("group case18-0", "case18"), ("group unknown", "case1"),
        ("pair CT-MR/28-1", "28"), ("pair CT-MR/28-1", "Case28"), ("pair X", "18"),
    ],
)  # fmt: skip
def test_who_is_held_out_is_named(origin):
    for studies in ([origin], [("group case1-0", "case1"), origin]):
        with pytest.raises(InputError, match=f"computed-00000 is made of {origin[0]} of patient"):
            origins.check([computed(*studies)], PLACES)


def test_random_splits_keep_groups_apart_and_pairs_of_their_patients_out():
    places = [
        replace(PLACES[0], rule="random"),
        Place("case1-1", "case1", "c", 1, "test", "random"),
    ]
    assert origins.check([computed(("group case1-0", "case1"))], places) == ("1",)
    with pytest.raises(InputError, match="group case1-1"):
        origins.check([computed(("group case1-1", "case1"))], places)
    with pytest.raises(InputError, match="pair X"):
        origins.check([computed(("pair X", "1"))], places)


def test_what_cannot_be_traced_is_refused():
    group = replace(computed(("group case1-0", "case1")), source="somewhere")
    with pytest.raises(InputError, match="do not agree"):
        origins.check([group], PLACES)
