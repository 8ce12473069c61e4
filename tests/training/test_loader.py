import pytest
import torch
from torch import Tensor

from tfsdiff.common.errors import InputError
from tfsdiff.params import Train
from tfsdiff.training.loader import check_crop, crop

PLACES = torch.arange(24 * 20, dtype=torch.float32).view(1, 24, 20)  # every pixel holds its place


def cropped(train: Train, pixels: int | None, augment: str = "none") -> Train:
    return train.model_copy(update={"crop_pixels": pixels, "augment": augment})


def crops(settings: Train, count: int, rng: torch.Generator) -> Tensor:
    """(count, h, w) crops at scale 4."""
    return torch.cat([crop(PLACES, settings, 4, rng) for _ in range(count)])


def test_crops_start_at_the_scale_and_reach_every_corner(
    train: Train, rng: torch.Generator
) -> None:
    corners = crops(cropped(train, 8), 400, rng)[:, 0, 0].int()
    assert set((corners // 20).tolist()) == {0, 4, 8, 12, 16}
    assert set((corners % 20).tolist()) == {0, 4, 8, 12}


def test_whole_images_may_be_flipped(train: Train, rng: torch.Generator) -> None:
    drawn = crops(cropped(train, None, "flip"), 20, rng)
    same = [torch.equal(x, PLACES[0]) for x in drawn]
    mirrored = [torch.equal(x, PLACES[0].flip(-1)) for x in drawn]
    assert any(same)
    assert any(mirrored)
    assert all(a or b for a, b in zip(same, mirrored, strict=True))


def test_crop_larger_than_the_image_is_the_image(train: Train, rng: torch.Generator) -> None:
    assert torch.equal(crop(PLACES, cropped(train, 64), 4, rng), PLACES)


def test_square_augmentation_makes_quarter_turns(train: Train, rng: torch.Generator) -> None:
    drawn = crops(cropped(train, 8, "square"), 100, rng)
    # Walking along a row changes the place by +-1 or, in quarter turns, by +-20.
    assert {int(step) for step in drawn[:, 0, 1] - drawn[:, 0, 0]} == {1, -1, 20, -20}


def test_crops_that_the_network_cannot_take_are_refused(train: Train) -> None:
    check_crop(cropped(train, None), 4, (24, 20))
    check_crop(cropped(train, 12), 4, (24, 20))
    with pytest.raises(InputError, match=r"train\.crop_pixels: 10 must be a multiple of 4"):
        check_crop(cropped(train, 10), 4, (24, 20))
    with pytest.raises(InputError, match="not 24 x 20"):
        check_crop(cropped(train, None, "square"), 4, (24, 20))
