"""Which groups there are, and which of them are chosen."""

from collections import Counter

import numpy as np
import pytest

from tfsdiff.acquisition.atlas.collect import Collected
from tfsdiff.acquisition.atlas.grouping import Identity, candidates, choose
from tfsdiff.acquisition.atlas.registry import Case, Series
from tfsdiff.common.errors import InputError

PAPER = ("MR-Gad_MR-T2_PET", "CT_MR-T2_SPECT", "MR-T1_MR-T2_PET", "MR-T1_MR-T2_SPECT")
IMAGE = np.zeros((1, 1), np.uint8)


def atlas(cases, confidence=()):
    """Cases of {name: {series: (modality, numbers)}}, with what was had and what it shows."""
    made, found, identities = [], Collected(), {}
    for name, folders in cases.items():
        series = []
        for folder, (modality, numbers) in folders.items():
            one = Series(name, folder, "gif", modality, None, range(0))
            found.slices[one] = dict.fromkeys(numbers, IMAGE)
            sure = dict(confidence).get(folder, 1.0)
            identities[one] = Identity(modality, sure, "registry" if sure == 1 else "images")
            series.append(one)
        made.append(Case(name, tuple(series), (frozenset(folders),)))
    return made, found, identities


def named(cases, combinations=PAPER, **options):
    return candidates(*atlas(cases, **options), combinations)


CASE = {
    "ct1": ("CT", [1, 2, 3]),
    "mr1": ("MR-T2", [2, 3, 4]),
    "mr2": ("MR-T1", [3, 4]),
    "tc1": ("SPECT-Tc", [0, 2, 3, 4]),
}


def test_a_group_is_wherever_all_three_slices_are():
    groups = [one.group for one in named({"case5": CASE})]
    assert [(g.group, g.combination) for g in groups] == [
        ("case5-002-ct1-mr1-tc1", "CT_MR-T2_SPECT-Tc"),
        ("case5-003-ct1-mr1-tc1", "CT_MR-T2_SPECT-Tc"),
        ("case5-003-mr2-mr1-tc1", "MR-T1_MR-T2_SPECT-Tc"),
        ("case5-004-mr2-mr1-tc1", "MR-T1_MR-T2_SPECT-Tc"),
    ]
    assert {g.patient for g in groups} == {"case5"}
    assert groups[0].source == "Whole Brain Atlas case5/ct1+mr1+tc1"


def test_any_other_pair_is_taken_when_none_is_named():
    found = {one.group.combination for one in named({"case5": CASE}, ())}
    assert found == {"CT_MR-T2_SPECT-Tc", "MR-T1_MR-T2_SPECT-Tc", "CT_MR-T1_SPECT-Tc"}


def test_of_two_series_of_one_modality_the_surer_is_taken_and_said():
    case = {
        "mr1": ("MR-T2", [1]), "mr2": ("MR-T2", [1]), "mr3": ("MR-T1", [1]), "dg1": ("PET-FDG", [1])
    }  # fmt: skip
    (one,) = named({"case5": case}, confidence={"mr1": 0.7, "mr2": 0.8})
    assert one.group.group == "case5-001-mr3-mr2-dg1"
    assert one.group.source.endswith("; mr2 is MR-T2 by its images, confidence 0.80")
    (one,) = named({"case5": case})
    assert one.group.group == "case5-001-mr3-mr1-dg1"


@pytest.mark.parametrize("wrong", ["CT_MR-T2", "CT_CT_PET", "CT_PET_MR-T2", "CT_MR-T2_XRAY"])
def test_a_combination_that_is_none(wrong):
    with pytest.raises(InputError, match=rf"data\.combinations: '{wrong}'"):
        named({"case5": CASE}, [wrong])


def patients(**counts):
    """CT / MR-T2 / SPECT of patients with so many slices, and one with MR-T1 / MR-T2 / PET."""
    cases = {
        name: {m: (t, range(count)) for m, t in
               (("ct1", "CT"), ("mr1", "MR-T2"), ("tc1", "SPECT-Tc"))}
        for name, count in counts.items()
    }  # fmt: skip
    pet = {"mr1": ("MR-T1", range(6)), "mr2": ("MR-T2", range(6)), "dg1": ("PET-FDG", range(6))}
    return named({**cases, "casePET": pet})


def test_shares_are_even_and_what_one_lacks_the_others_give():
    passed = patients(case1=20, case2=3, case3=20)
    chosen = choose(passed, 27)
    counts = Counter(one.group.patient for one in chosen)
    assert counts == {"casePET": 6, "case1": 9, "case2": 3, "case3": 9}
    assert len({one.group.group for one in chosen}) == 27


def test_slices_lie_evenly_over_the_brain():
    chosen = choose(patients(case1=12), 10)
    assert [one.group.slice for one in chosen if one.group.patient == "case1"] == [1, 3, 6, 8, 10]


@pytest.mark.parametrize("count", [1, 2, 5, 17, 48, 49])
def test_as_many_as_wanted(count):
    assert len(choose(patients(case1=20, case2=3, case3=20), count)) == count


def test_all_where_there_are_too_few_or_all_are_wanted():
    passed = patients(case1=5)
    assert choose(passed, 119) == choose(passed, None) == passed
