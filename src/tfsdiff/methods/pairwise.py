"""Three images for methods that fuse two: pairs, their order and slots, and how colour is carried.

Two calls on luminance: the anatomical images first, their fusion with the luminance of the
functional image second; the chroma of the functional image is carried over (full-range BT.601
YCbCr). Between the calls the image is clipped to [0, 1] and not rounded. Why this order: "Three
images for methods that take two" in docs/methods/index.md.
"""

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from tfsdiff.core.tensors import Batch, luminance
from tfsdiff.data.colour import rgb_to_ycbcr, ycbcr_to_rgb
from tfsdiff.data.slices import ANATOMICAL
from tfsdiff.methods.base import Fuser
from tfsdiff.methods.learned import LearnedMethod
from tfsdiff.params import Section, Train

Three = tuple[Tensor, Tensor, Tensor]  # visible, other and functional luminance


class PairSettings(Section):
    """How three images come to a method that takes two; settings of such a method extend it."""

    first: Literal["anatomical", "functional"]  # the pair fused first; functional: with the visible
    swapped: bool  # the two slots of every call exchanged


class LearnedPairSettings(PairSettings):
    """The same for a method that is trained."""

    train: Train | None  # null: of imported weights


class PairwiseFuser(Fuser):
    """Fuses three images by two calls of `fuse_pair`."""

    Settings: ClassVar[type[Section]] = PairSettings

    settings: PairSettings

    @abstractmethod
    def fuse_pair(
        self, visible: Tensor, other: Tensor, generators: Sequence[torch.Generator]
    ) -> Tensor:
        """Fuse luminances (B, 1, H, W) in [0, 1] to one; one generator an image, for both calls."""

    def fuse(self, batch: Batch, generators: Sequence[torch.Generator]) -> Tensor:
        """Fuse `batch.sources` to (B, 3, H, W) in [0, 1]; one generator an image."""
        colour = rgb_to_ycbcr(batch.sources[:, 2])
        fused = self.fuse_three((*slots(batch), colour[:, :1].clamp(0, 1)), generators)
        return ycbcr_to_rgb(torch.cat([fused, colour[:, 1:]], dim=1)).clamp(0, 1)

    def fuse_three(self, images: Three, generators: Sequence[torch.Generator]) -> Tensor:
        """Fuse three luminances to one, (B, 1, H, W) in [0, 1], by the two calls."""
        visible, early, late = images
        if self.settings.first == "functional":
            early, late = late, early
        return self.call(self.call(visible, early, generators), late, generators)

    def call(self, visible: Tensor, other: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
        """Fuse (B, 1, H, W) twice to one in [0, 1], the slots exchanged if the settings say so."""
        if self.settings.swapped:
            visible, other = other, visible
        return self.fuse_pair(visible, other, generators).to(visible).clamp(0, 1)


class FeedForwardFuser(LearnedMethod, PairwiseFuser):
    """Fuses a pair by one evaluation of a network; draws no random numbers."""

    settings: LearnedPairSettings

    @abstractmethod
    def evaluate(self, network: nn.Module, visible: Tensor, other: Tensor) -> Tensor:
        """Fuse (B, 1, H, W) in [0, 1] twice to (B, 1, H, W) by `network`, on its device."""

    def fuse_pair(
        self, visible: Tensor, other: Tensor, generators: Sequence[torch.Generator]
    ) -> Tensor:
        """Fuse luminances (B, 1, H, W) in [0, 1] to one."""
        network, device = self.trained_network(), self.backend.device
        with torch.inference_mode(), self.backend.autocast():
            fused = self.evaluate(network, visible.to(device), other.to(device))
        return fused.float().to(visible.device)


def slots(batch: Batch) -> tuple[Tensor, Tensor]:
    """Luminances (B, 1, H, W) of the anatomical images: that of the slot "visible", and the other.

    The visible one is the image that comes second in the order of the slots, whatever the order of
    the sources; where modalities are unknown, the second source.
    """
    first, second = luminance(batch.sources[:, :2]).clamp(0, 1).unbind(1)
    names = batch.modalities or [("", "", "")] * len(batch)
    leads = torch.tensor([first_is_visible(*names[:2]) for names in names], device=first.device)
    leads = leads.view(-1, 1, 1, 1)
    return torch.where(leads, first, second), torch.where(leads, second, first)


def first_is_visible(first: str, second: str) -> bool:
    """Whether the first of two anatomical images takes the slot "visible"; "": unknown."""
    known = [name for name in ANATOMICAL if name in (first, second)]
    return bool(known) and known[-1] == first


def stretched(images: Tensor, least: float = 0) -> Tensor:
    """Stretch each of (B, 1, H, W) linearly to the whole of [0, 1].

    An image whose values differ by no more than `least` stays: a constant one has no contrast, and
    of one that is nearly so only noise would be seen.
    """
    low, high = images.amin((1, 2, 3), keepdim=True), images.amax((1, 2, 3), keepdim=True)
    return torch.where(high - low > least, (images - low) / (high - low), images)
