import numpy as np
import pytest

from tfsdiff.methods.bitonicx.majority import majority


def plain_majority(decisions, side):
    padded = np.pad(decisions, side // 2, mode="symmetric")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (side, side))
    return windows.sum((2, 3)) >= side**2 / 2


@pytest.mark.parametrize("shape", [(30, 23), (1, 1), (3, 40), (7, 2)])
@pytest.mark.parametrize("side", [1, 3, 19])
def test_agrees_with_counting(shape, side):
    decisions = np.random.default_rng(0).random(shape) < 0.5
    np.testing.assert_array_equal(majority(decisions, side), plain_majority(decisions, side))


def test_windows_of_19_need_181_votes():
    for votes in (180, 181):
        decisions = np.zeros((19, 19), bool)
        decisions.ravel()[:votes] = True
        assert majority(decisions, 19)[9, 9] == (votes == 181)


def test_unanimous_maps_stay():
    for value in (False, True):
        assert (majority(np.full((8, 9), value), 19) == value).all()


@pytest.mark.parametrize("side", [0, -3, 4])
def test_bad_side_raises(side):
    with pytest.raises(ValueError, match="odd"):
        majority(np.zeros((3, 3), bool), side)
