import pytest
import torch

from tfsdiff.common.errors import InputError
from tfsdiff.diffusion.padding import pad_to_multiple
from tfsdiff.methods.conditional.objective import ConditionalExamples
from tfsdiff.params import Train
from tfsdiff.training.loader import check_crop, evenly


@pytest.fixture
def pairs() -> ConditionalExamples:
    """Every pixel of the target holds its place; the condition repeats it three times."""
    place = torch.arange(2 * 24 * 20, dtype=torch.float32).view(2, 1, 24, 20)
    return ConditionalExamples(
        ("a", "b"), place.expand(2, 9, 24, 20), place.expand(2, 3, 24, 20), scale=4
    )


def cropped(train: Train, pixels: int | None, flip: bool = False) -> Train:
    return train.model_copy(update={"crop_pixels": pixels, "augment": "flip" if flip else "none"})


def test_condition_and_target_are_cut_alike(
    pairs: ConditionalExamples, train: Train, rng: torch.Generator
) -> None:
    for flip in (False, True):
        condition, target = pairs.draw(torch.tensor([0, 1, 1]), cropped(train, 8, flip), [rng] * 3)
        assert condition.shape == (3, 9, 8, 8)
        assert torch.equal(condition[:, 3:6], target)


def test_crops_start_on_the_grid_and_reach_every_corner(
    pairs: ConditionalExamples, train: Train, rng: torch.Generator
) -> None:
    _, target = pairs.draw(torch.zeros(400, dtype=torch.long), cropped(train, 8), [rng] * 400)
    corners = target[:, 0, 0, 0].int()
    assert set((corners // 20).tolist()) == {0, 4, 8, 12, 16}
    assert set((corners % 20).tolist()) == {0, 4, 8, 12}


def test_whole_images_may_be_flipped(
    pairs: ConditionalExamples, train: Train, rng: torch.Generator
) -> None:
    _, target = pairs.draw(
        torch.zeros(20, dtype=torch.long), cropped(train, None, True), [rng] * 20
    )
    whole = pairs.target[0]
    same = [torch.equal(t, whole) for t in target]
    mirrored = [torch.equal(t, whole.flip(-1)) for t in target]
    assert any(same)
    assert any(mirrored)
    assert all(a or b for a, b in zip(same, mirrored, strict=True))


def test_crop_larger_than_the_image_is_the_image(
    pairs: ConditionalExamples, train: Train, rng: torch.Generator
) -> None:
    _, target = pairs.draw(torch.tensor([1]), cropped(train, 64), [rng])
    assert torch.equal(target[0], pairs.target[1])


def test_padding_repeats_the_border() -> None:
    x = torch.rand(1, 3, 5, 8)
    padded = pad_to_multiple(x, 4)
    assert padded.shape == (1, 3, 8, 8)
    assert torch.equal(padded[..., :5, :], x)
    assert torch.equal(padded[..., 7, :], x[..., 4, :])
    assert pad_to_multiple(padded, 4) is padded


def test_crops_that_the_network_cannot_halve_are_refused(train: Train) -> None:
    check_crop(cropped(train, None), 4, (24, 20))
    check_crop(cropped(train, 12), 4, (24, 20))
    with pytest.raises(InputError, match=r"train\.crop_pixels: 10 must be a multiple of 4"):
        check_crop(cropped(train, 10), 4, (24, 20))


def test_unequal_pairs_are_refused() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        ConditionalExamples(("a", "b"), torch.zeros(2, 9, 8, 8), torch.zeros(2, 3, 8, 4), scale=1)


def test_square_augmentation_turns_both_alike(
    pairs: ConditionalExamples, train: Train, rng: torch.Generator
) -> None:
    settings = train.model_copy(update={"crop_pixels": 8, "augment": "square"})
    condition, target = pairs.draw(torch.zeros(100, dtype=torch.long), settings, [rng] * 100)
    assert torch.equal(condition[:, :3], target)
    # Walking along a row changes the place by +-1 or, in quarter turns, by +-20.
    steps = {int(step) for step in target[:, 0, 0, 1] - target[:, 0, 0, 0]}
    assert steps == {1, -1, 20, -20}
    with pytest.raises(InputError, match="not 24 x 20"):
        check_crop(settings.model_copy(update={"crop_pixels": None}), 4, (24, 20))


def test_some_are_taken_evenly() -> None:
    assert evenly(5, 2) == [0, 1]
    assert evenly(1, 2) == [1]
    assert evenly(3, 9) == [1, 4, 7]
