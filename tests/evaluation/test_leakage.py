import pytest

from leaks import neighbours, random_and_blocks
from tfsdiff.evaluation.leakage import summarise, typical


@pytest.fixture
def leaks():
    return random_and_blocks()


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
