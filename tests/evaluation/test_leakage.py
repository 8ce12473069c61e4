import pytest

from tfsdiff.data.slices import Group
from tfsdiff.evaluation.leakage import Leak, Neighbour, summarise, typical

COMBINATION = "CT_MR-T2_SPECT-Tc"


def group(number, patient="p"):
    return Group(f"g{number}", COMBINATION, patient, number, *COMBINATION.split("_"))


def neighbours(*values, seen=True):
    """One a similarity, None where nothing is comparable."""
    return tuple(
        Neighbour(group(i), None if value is None else group(100 + i, "q"), value, seen)
        for i, value in enumerate(values)
    )


@pytest.fixture
def leaks():
    return [
        Leak("random", "test", neighbours(0.99, 0.9, 0.96, 0.91, 0.5)),
        Leak("blocks", "test", neighbours(0.6, None, 0.95, seen=False)),
    ]


def test_summary_counts_what_is_above_and_not_at_the_levels(leaks):
    found = summarise(leaks[0].neighbours)
    assert (found.groups, found.compared) == (5, 5)
    assert (found.mean, found.median, found.highest) == pytest.approx((0.852, 0.91, 0.99))
    assert found.above == pytest.approx((3 / 5, 2 / 5))
    assert found.patient_seen == 1


def test_what_is_not_comparable_is_left_out_of_the_numbers(leaks):
    found = summarise(leaks[1].neighbours)
    assert (found.groups, found.compared) == (3, 2)
    assert (found.mean, found.highest) == pytest.approx((0.775, 0.95))
    assert found.above == (0.5, 0)
    assert found.patient_seen == 0
    nothing = summarise(neighbours(None, None))
    assert (nothing.groups, nothing.compared, nothing.mean, nothing.above) == (2, 0, None, None)


def test_typical_is_the_lower_median(leaks):
    assert typical(leaks[0].neighbours).similarity == 0.91
    assert typical(leaks[1].neighbours).similarity == 0.6
    assert typical(neighbours(None)) is None
