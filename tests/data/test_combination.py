"""Names of combinations, and the order of the slots that they have."""

from itertools import combinations
from pathlib import Path

import pytest
import yaml

from tfsdiff.acquisition.atlas.grouping import parse
from tfsdiff.data.combination import parse_combination
from tfsdiff.data.slices import ANATOMICAL, in_order
from tfsdiff.methods.pairwise import first_is_visible

CONF = Path(__file__).parents[2] / "workflow" / "conf" / "data"


def test_either_order_names_a_combination():
    expected = ("MR-Gad", "MR-T2", "PET-FDG")
    assert parse_combination("MR-Gad_MR-T2_PET-FDG") == expected
    assert parse_combination("MR-T2_MR-Gad_PET-FDG") == expected


def test_the_authors_order_of_slots():
    """CT, MR-T1 and MR-Gad come before MR-T2 in the names of BitonicX's source images."""
    for first in ("CT", "MR-T1", "MR-Gad"):
        assert in_order(first, "MR-T2")
        assert not in_order("MR-T2", first)


def test_everything_follows_the_one_order():
    pairs = list(combinations(ANATOMICAL, 2))
    assert {names[:2] for names in parse(())} == set(pairs)
    assert not any(first_is_visible(*pair) for pair in pairs)
    for source in ("phantom", "atlas"):
        written = yaml.safe_load((CONF / f"{source}.yaml").read_text())["combinations"]
        for text in written:
            assert in_order(*text.split("_")[:2])


@pytest.mark.parametrize("text", ["CT_MR-T2", "CT_CT_PET-FDG", "CT_PET-FDG_MR-T2", "CT_MR_PET-FDG"])
def test_what_is_no_combination(text):
    with pytest.raises(ValueError, match=f"'{text}': give two different ones of CT, MR-PD"):
        parse_combination(text)
