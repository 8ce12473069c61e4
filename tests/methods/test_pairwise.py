"""Three images for methods that take two: slots, order, chroma, and the pairs to learn from."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tfsdiff.core.tensors import Batch, Pairs, luminance
from tfsdiff.data.colour import rgb_to_ycbcr
from tfsdiff.methods.base import Examples
from tfsdiff.methods.pair_objective import GreyPairs, grey_pairs
from tfsdiff.methods.pairwise import PairSettings, PairwiseFuser, slots, stretched


class Weighted(PairwiseFuser):
    """Three quarters of the slot "visible", a quarter of the other."""

    def fuse_pair(
        self, visible: Tensor, other: Tensor, generators: Sequence[torch.Generator]
    ) -> Tensor:
        return 0.75 * visible + 0.25 * other


def fuser(first: str = "anatomical", swapped: bool = False) -> Weighted:
    return Weighted(PairSettings(first=first, swapped=swapped))


@pytest.fixture
def batch(rng: torch.Generator) -> Batch:
    """Grey anatomical images, of which the second is the visible one, and a dull coloured one."""
    sources = 0.4 + 0.2 * torch.rand(2, 3, 3, 8, 6, generator=rng)
    sources[:, :2] = sources[:, :2, :1]
    return Batch(("a", "b"), sources, modalities=(("CT", "MR-T2", "PET-FDG"),) * 2)


@pytest.mark.parametrize(
    ("modalities", "visible"),
    [
        (("MR-T2", "MR-T1", "PET-FDG"), 0),
        (("MR-T1", "MR-T2", "PET-FDG"), 1),
        (("MR-Gad", "MR-T1", "PET-FDG"), 0),
        (("CT", "MR-PD", "PET-FDG"), 1),
        (("CT", "unheard of", "PET-FDG"), 0),
        (("", "", ""), 1),
    ],
)
def test_slot_of_an_image(modalities: tuple[str, str, str], visible: int, batch: Batch) -> None:
    found = slots(replace(batch, modalities=(modalities,) * 2))
    y = luminance(batch.sources)
    assert torch.equal(found[0], y[:, visible])
    assert torch.equal(found[1], y[:, 1 - visible])


def test_unknown_modalities_make_the_second_image_visible(batch: Batch) -> None:
    found = slots(replace(batch, modalities=()))
    assert torch.equal(found[0], luminance(batch.sources[:, 1]))


def test_order_of_the_calls_and_their_slots(batch: Batch) -> None:
    y = luminance(batch.sources)
    other, visible, functional = y[:, 0], y[:, 1], y[:, 2]
    expected = {
        ("anatomical", False): 0.75 * (0.75 * visible + 0.25 * other) + 0.25 * functional,
        ("functional", False): 0.75 * (0.75 * visible + 0.25 * functional) + 0.25 * other,
        ("anatomical", True): 0.75 * functional + 0.25 * (0.75 * other + 0.25 * visible),
    }
    for (first, swapped), wanted in expected.items():
        fused = luminance(fuser(first, swapped).fuse(batch, []))
        torch.testing.assert_close(fused, wanted, atol=1e-5, rtol=0)


def test_chroma_is_that_of_the_functional_image(batch: Batch) -> None:
    fused = rgb_to_ycbcr(fuser().fuse(batch, []))
    wanted = rgb_to_ycbcr(batch.sources[:, 2])
    torch.testing.assert_close(fused[:, 1:], wanted[:, 1:], atol=1e-5, rtol=0)


def test_images_without_contrast_are_not_stretched() -> None:
    images = torch.tensor([[0.2, 0.6], [0.5, 0.5], [0.5, 0.504]]).view(3, 1, 1, 2)
    wide = stretched(images, least=0.01)
    torch.testing.assert_close(wide[:, 0, 0], torch.tensor([[0.0, 1], [0.5, 0.5], [0.5, 0.504]]))


def test_a_group_is_three_pairs_to_learn_from(batch: Batch) -> None:
    pairs = grey_pairs(Examples(batch))
    y = luminance(batch.sources)
    assert pairs.names[:2] == ("a pair 1", "b pair 1")
    assert len(pairs) == 6
    assert torch.equal(pairs.visible, torch.cat([y[:, 1], y[:, 1], y[:, 0]]))
    assert torch.equal(pairs.other, torch.cat([y[:, 0], y[:, 2], y[:, 2]]))


def test_pairs_beside_the_groups_are_learned_from_too(batch: Batch) -> None:
    beside = Pairs(("p",), batch.sources[:1, :2])
    pairs = grey_pairs(Examples(batch, pairs=beside))
    assert pairs.names[6:] == ("p",)
    assert torch.equal(pairs.visible[6:], luminance(batch.sources[:1, 0]))
    none = Pairs((), batch.sources[:0, :2])
    assert len(grey_pairs(Examples(batch, pairs=none))) == 6


def test_pairs_of_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="pairs must be"):
        GreyPairs(("a",), torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 5))
    with pytest.raises(ValueError, match="pairs must be"):
        GreyPairs(("a", "b"), torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 4))
