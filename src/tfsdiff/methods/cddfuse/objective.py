"""What CDDFuse is taught: to take pairs apart and rebuild them, then to fuse them.

The losses are those of the reference page, 1.3, with the released code's choices beside the
paper's where they differ (quirks C3, C4, C6, C7 and C8).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from tfsdiff.core.backend import Backend
from tfsdiff.methods.cddfuse.network import CDDFuse, Features, Skip, skip_image
from tfsdiff.methods.pair_objective import GreyPairs, PairObjective
from tfsdiff.metrics.ssim import TAPS, similarity_map
from tfsdiff.params import Train
from tfsdiff.training.objective import ParamGroup, Update

Similarity = Literal["official", "paper"]
PhaseOneSkip = Literal["own", "none"]

TRANSLATORS = ("DIDF_Encoder.", "DIDF_Decoder.")  # learn in both phases
LAYERS = ("BaseFuseLayer.", "DetailFuseLayer.")  # learn in phase II

STRUCTURE = 5.0  # weights of the terms; that of the squared error is 1
DECOMPOSITION = 2.0
FUSED_GRADIENT = 10.0
EDGE = 1.01  # keeps the denominator of the decomposition loss above zero
LOWEST_RATE = 0.01  # of the learning rate: 1e-6 of 1e-4
SOBEL = ((-1.0, 0.0, 1.0), (-2.0, 0.0, 2.0), (-1.0, 0.0, 1.0))
LEAST_CONTRAST = 0.1  # of a crop, see `has_contrast`


@dataclass(frozen=True)
class Plan:
    """How CDDFuse learns, beside what `Train` says.

    Attributes:
        phase_1_steps: steps that rebuild images, before those that fuse them.
        phase_1_skip: what the decoder is given to rebuild an image, beside its features; own: the
            image itself, as released.
        skip: what it is given to fuse.
        similarity: official: DSSIM, clamp(1 - SSIM, 0, 1) / 2; paper: 1 - SSIM.
        visible_gradient: weight of the visible image's gradient in phase I; 5: released, 0: paper.
        halve_steps: after so many steps the learning rate is halved, again and again, or never; for
            encoder and decoder from the start on, for the fusion layers from that of phase II.
        redraws: how often a crop with little contrast is drawn anew; 0: it is taken.
    """

    phase_1_steps: int
    phase_1_skip: PhaseOneSkip
    skip: Skip
    similarity: Similarity
    visible_gradient: float
    halve_steps: int | None
    redraws: int

    def rate(self, step: int, start: int) -> float:
        """Factor to the learning rate in step `step` (0, 1, ...) of what learns from `start` on."""
        if self.halve_steps is None:
            return 1.0
        return max(0.5 ** (max(step - start, 0) // self.halve_steps), LOWEST_RATE)


class Decomposition(PairObjective):
    """Phase I rebuilds each image from its own features, phase II fuses.

    Args:
        pairs, settings, backend: see `PairObjective`.
        plan: of the two phases.
    """

    def __init__(self, pairs: GreyPairs, settings: Train, backend: Backend, plan: Plan) -> None:
        super().__init__(pairs, settings, backend)
        self.plan = plan
        self.groups = tuple(
            ParamGroup(prefix, lambda step, start=start: plan.rate(step, start))
            for prefixes, start in ((TRANSLATORS, 0), (LAYERS, plan.phase_1_steps))
            for prefix in prefixes
        )

    def updates(self, step: int) -> Sequence[Update]:
        """One update: of encoder and decoder in phase I, of all in phase II."""
        if step < self.plan.phase_1_steps:
            return (Update(self.rebuilding, TRANSLATORS),)
        return (Update(self.fusing, TRANSLATORS + LAYERS),)

    def cut(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Cut a random crop (2, h, w), of contrast in both, from the images (2, H, W) of a pair."""
        part = super().cut(images, generator)
        redraws = self.plan.redraws if part.shape[-2:] != images.shape[-2:] else 0
        for _ in range(redraws):
            if has_contrast(part):
                break
            part = super().cut(images, generator)
        return part

    def rebuilding(self, network: CDDFuse, visible: Tensor, other: Tensor) -> dict[str, Tensor]:
        """Terms of phase I; those of the reconstruction are sums over both images."""
        images, own = (visible, other), self.plan.phase_1_skip == "own"
        with self.backend.autocast():
            features = [network.encode(x) for x in images]
            made = [
                network.decode(part, x if own else None)
                for part, x in zip(features, images, strict=True)
            ]
        rebuilt = [y.float() for y in made]
        both = list(zip(images, rebuilt, strict=True))
        structure = sum(dissimilarity(x, y, self.plan.similarity) for x, y in both)
        squares = sum(F.mse_loss(y, x) for x, y in both)
        shared, edges = decomposition(*features), gradient_error(visible, rebuilt[0])
        loss = STRUCTURE * structure + squares + DECOMPOSITION * shared
        return {
            "loss": loss + self.plan.visible_gradient * edges,
            "structure": structure,
            "squares": squares,
            "decomposition": shared,
            "gradient": edges,
        }

    def fusing(self, network: CDDFuse, visible: Tensor, other: Tensor) -> dict[str, Tensor]:
        """Terms of phase II."""
        images = visible, other
        with self.backend.autocast():
            features = [network.encode(x) for x in images]
            made = network.decode(network.join(features), skip_image(images, self.plan.skip))
        fused, shared = made.float(), decomposition(*features)
        intensity = F.l1_loss(fused, torch.maximum(*images))
        edges = F.l1_loss(steepness(fused), torch.maximum(*map(steepness, images)))
        return {
            "loss": intensity + FUSED_GRADIENT * edges + DECOMPOSITION * shared,
            "intensity": intensity,
            "gradient": edges,
            "decomposition": shared,
        }


def correlation(a: Tensor, b: Tensor) -> Tensor:
    """Pearson's correlation over the pixels, mean over samples and channels of (B, C, H, W)."""
    a, b = (x.float().flatten(2) for x in (a, b))
    a, b = (x - x.mean(-1, keepdim=True) for x in (a, b))
    # `norm`, unlike a root of a sum, has a finite gradient where a feature is constant.
    norms = a.norm(dim=-1) * b.norm(dim=-1)
    return ((a * b).sum(-1) / (norms + torch.finfo(torch.float32).eps)).clamp(-1, 1).mean()


def decomposition(a: Features, b: Features) -> Tensor:
    """L_dec of two images: low where base features agree and detail features do not."""
    return correlation(a.detail, b.detail) ** 2 / (EDGE + correlation(a.base, b.base))


def dissimilarity(x: Tensor, y: Tensor, kind: Similarity) -> Tensor:
    """Mean DSSIM (official) or 1 - SSIM (paper) of (B, 1, H, W) in [0, 1], reflected borders."""
    border = [TAPS // 2] * 4
    gap = 1 - similarity_map(*(F.pad(one, border, mode="reflect") for one in (x, y)))
    return gap.mean() if kind == "paper" else gap.clamp(0, 1).mean() / 2


def sobel(x: Tensor) -> Tensor:
    """Derivatives along rows and columns, times 8: (B, 1, H, W) to (B, 2, H - 2, W - 2)."""
    across = x.new_tensor(SOBEL)
    return F.conv2d(x, torch.stack([across, across.T])[:, None])


def gradient_error(x: Tensor, y: Tensor) -> Tensor:
    """Mean absolute difference of the derivatives of (B, 1, H, W), with repeated borders."""
    return sobel(F.pad(x - y, [1] * 4, mode="replicate")).abs().mean() / 8


def steepness(x: Tensor) -> Tensor:
    """Sum of the absolute derivatives of (B, 1, H, W), with black borders: the same shape."""
    return sobel(F.pad(x, [1] * 4)).abs().sum(1, keepdim=True)


def has_contrast(images: Tensor) -> bool:
    """Whether (p90 - p10) / p90 of each of the images (C, H, W) in [0, 1] reaches 0.1.

    Those with p90 = 0 have none. The released code keeps them (quirk C8), which matters where much
    of the images is black.
    """
    shares = images.new_tensor([0.1, 0.9])
    low, high = images.flatten(1).quantile(shares, dim=1)
    return bool(((high > 0) & (high - low >= LEAST_CONTRAST * high)).all())
