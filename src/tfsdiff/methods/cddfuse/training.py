"""Training of CDDFuse: phase I takes pairs apart and rebuilds them, phase II fuses them.

Source: the CVPR 2023 paper, section 3.3 (two-stage learning) and the loss functions there, with the
released code's choices beside the paper's. Letters such as C3 are entries of
docs/methods/cddfuse.md.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from tfsdiff.core.backend import Backend
from tfsdiff.methods.base import Examples
from tfsdiff.methods.cddfuse.method import CDDFuse, Settings
from tfsdiff.methods.cddfuse.network import CDDFuse as Network
from tfsdiff.methods.cddfuse.network import Features, skip_image
from tfsdiff.methods.fitting import initial_network, train_section
from tfsdiff.methods.pair_objective import GreyPairs, PairObjective, fit_on_pairs
from tfsdiff.metrics.ssim import TAPS, similarity_map
from tfsdiff.training.log import Log, Recipe
from tfsdiff.training.loop import ParamGroup, Update

TRANSLATORS = ("DIDF_Encoder.", "DIDF_Decoder.")  # learn in both phases
LAYERS = ("BaseFuseLayer.", "DetailFuseLayer.")  # learn in phase II

STRUCTURE = 5.0  # weights of the terms; that of the squared error is 1
DECOMPOSITION = 2.0
FUSED_GRADIENT = 10.0
EDGE = 1.01  # keeps the denominator of the decomposition loss above zero
LOWEST_RATE = 0.01  # of the learning rate: 1e-6 of 1e-4
SOBEL = ((-1.0, 0.0, 1.0), (-2.0, 0.0, 2.0), (-1.0, 0.0, 1.0))
LEAST_CONTRAST = 0.1  # of a crop, see `has_contrast`


def fit(
    method: CDDFuse,
    train: Examples,
    validation: Examples,
    recipe: Recipe,
    backend: Backend,
    log: Log,
) -> None:
    """Train the network of `method` on all pairs of `train`."""
    train_section(method)
    network = initial_network(method.new_network, recipe.seed)
    trained = fit_on_pairs(method, network, Decomposition, train, validation, recipe, backend, log)
    method.set_network(trained, recipe.values(), backend)


class Decomposition(PairObjective):
    """Phase I rebuilds each image from its own features, phase II fuses.

    An encoder that only ever fused could hand on everything in both branches. Rebuilding first,
    under the decomposition loss, gives the branches their meaning: what the images share goes into
    the base features, what each has of its own into the detail features, and together they hold the
    whole image. The fusion layers, which learn in phase II alone, then merge like with like.
    """

    settings: Settings

    def __init__(self, pairs: GreyPairs, settings: Settings, backend: Backend) -> None:
        super().__init__(pairs, settings, backend)
        self.groups = tuple(
            ParamGroup(prefix, lambda step, start=start: learning_rate(settings, step, start))
            for prefixes, start in ((TRANSLATORS, 0), (LAYERS, settings.phase_1_steps))
            for prefix in prefixes
        )

    def updates(self, step: int) -> Sequence[Update]:
        """One update: of encoder and decoder in phase I, of all in phase II."""
        if step < self.settings.phase_1_steps:
            return (Update(self.rebuilding, TRANSLATORS),)
        return (Update(self.fusing, TRANSLATORS + LAYERS),)

    def cut(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Cut a random crop (2, h, w), of contrast in both, from the images (2, H, W) of a pair."""
        part = super().cut(images, generator)
        redraws = self.settings.redraws if part.shape[-2:] != images.shape[-2:] else 0
        for _ in range(redraws):
            if has_contrast(part):
                break
            part = super().cut(images, generator)
        return part

    def rebuilding(self, network: Network, visible: Tensor, other: Tensor) -> dict[str, Tensor]:
        """Terms of phase I; those of the reconstruction are sums over both images."""
        images, own = (visible, other), self.settings.phase_1_skip == "own"
        with self.backend.autocast():
            features = [network.encode(x) for x in images]
            made = [
                network.decode(part, x if own else None)
                for part, x in zip(features, images, strict=True)
            ]
        rebuilt = [y.float() for y in made]
        both = list(zip(images, rebuilt, strict=True))
        structure = sum(dissimilarity(x, y, self.settings.similarity) for x, y in both)
        squares = sum(F.mse_loss(y, x) for x, y in both)
        shared, edges = decomposition(*features), gradient_error(visible, rebuilt[0])
        loss = STRUCTURE * structure + squares + DECOMPOSITION * shared
        return {
            "loss": loss + self.settings.visible_gradient * edges,
            "structure": structure,
            "squares": squares,
            "decomposition": shared,
            "gradient": edges,
        }

    def fusing(self, network: Network, visible: Tensor, other: Tensor) -> dict[str, Tensor]:
        """Terms of phase II.

        No fused image is known, so the target is made of the sources: at each pixel the brighter
        intensity and the steeper gradient of the two.
        """
        images = visible, other
        with self.backend.autocast():
            features = [network.encode(x) for x in images]
            made = network.decode(network.join(features), skip_image(images, self.settings.skip))
        fused, shared = made.float(), decomposition(*features)
        intensity = F.l1_loss(fused, torch.maximum(*images))
        edges = F.l1_loss(steepness(fused), torch.maximum(*map(steepness, images)))
        return {
            "loss": intensity + FUSED_GRADIENT * edges + DECOMPOSITION * shared,
            "intensity": intensity,
            "gradient": edges,
            "decomposition": shared,
        }


def learning_rate(settings: Settings, step: int, start: int) -> float:
    """Factor to the learning rate in step `step` (0, 1, ...) of what learns from `start` on."""
    if settings.halve_steps is None:
        return 1.0
    return max(0.5 ** (max(step - start, 0) // settings.halve_steps), LOWEST_RATE)


def correlation(a: Tensor, b: Tensor) -> Tensor:
    """Pearson's correlation over the pixels, mean over samples and channels of (B, C, H, W)."""
    a, b = (x.float().flatten(2) for x in (a, b))
    a, b = (x - x.mean(-1, keepdim=True) for x in (a, b))
    # `norm`, unlike a root of a sum, has a finite gradient where a feature is constant.
    norms = a.norm(dim=-1) * b.norm(dim=-1)
    return ((a * b).sum(-1) / (norms + torch.finfo(torch.float32).eps)).clamp(-1, 1).mean()


def decomposition(a: Features, b: Features) -> Tensor:
    """L_dec of two images: low where base features agree and detail features do not.

    The square drives the correlation of details to zero from either side: details that oppose each
    other are as dependent as those that agree. The base correlation stands in the denominator with
    its sign, as bases are to agree, not merely to depend on each other. As a quotient the two aims
    cannot be traded against each other at a fixed price, which a difference would allow.
    """
    return correlation(a.detail, b.detail) ** 2 / (EDGE + correlation(a.base, b.base))


def dissimilarity(x: Tensor, y: Tensor, kind: str) -> Tensor:
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

    Those with p90 = 0 have none. The released code keeps them (C8), which matters where much of
    the images is black.
    """
    shares = images.new_tensor([0.1, 0.9])
    low, high = images.flatten(1).quantile(shares, dim=1)
    return bool(((high > 0) & (high - low >= LEAST_CONTRAST * high)).all())
