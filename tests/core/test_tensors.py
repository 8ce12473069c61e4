"""Batches are checked at the door."""

import numpy as np
import pytest
import torch

from tfsdiff.core.tensors import Batch, levels, luminance
from tfsdiff.data.images import to_8bit


def sources(value=0.5, size=4):
    return torch.full((2, 3, 3, size, size), value)


def test_valid_batch_moves_whole():
    batch = Batch(("a", "b"), sources(), torch.zeros(2, 3, 4, 4)).to("cpu")
    assert len(batch) == 2
    assert batch.truth is not None


@pytest.mark.parametrize(
    ("groups", "images", "truth", "message"),
    [
        (("a", "b"), torch.zeros(2, 3, 4, 4), None, "must be"),
        (("a",), sources(), None, "1 names for 2"),
        (("a", "b"), sources(1.5), None, r"in \[0, 1\]"),
        (("a", "b"), sources(float("nan")), None, r"in \[0, 1\]"),
        (("a", "b"), sources(), torch.zeros(2, 3, 8, 8), "truth must be"),
        (("a", "b"), sources(), torch.full((2, 3, 4, 4), -0.1), "truth must be in"),
    ],
)
def test_wrong_batches_are_refused(groups, images, truth, message):
    with pytest.raises(ValueError, match=message):
        Batch(groups, images, truth)


def test_luminance_of_grey_is_grey():
    image = torch.rand(1, 1, 5, 5).expand(-1, 3, -1, -1)
    assert torch.allclose(luminance(image), image[:, :1])


def test_levels_are_those_of_the_png():
    images = torch.rand(2, 3, 16, 16) * 1.2 - 0.1
    images[0, 0, 0, :3] = torch.tensor([0.5 / 255, 127.5 / 255, 1.0])
    saved = torch.from_numpy(np.stack([to_8bit(image) for image in images])).movedim(-1, 1)
    assert torch.equal(levels(images), saved.double())
