"""Enlargement by linear filters: one for each kind of neighbourhood, fitted by least squares.

What bicubic enlargement misses is predicted linearly from the low-resolution neighbourhood of each
pixel. An edge, a corner and a plain want different filters, so pixels are classed by their
structure tensor, as in RAISR (Romano, Isidoro and Milanfar, IEEE Transactions on Computational
Imaging 2017): by the direction, the strength and the coherence of the gradients around them. A
class with few examples falls back on the filter of all classes, towards which each is drawn by a
ridge. The fit is a closed form: nothing is initialised, drawn or iterated.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor

from tfsdiff.data.resample import enlarge

REACH = 3  # neighbourhoods of 7 x 7 low-resolution pixels
TAPS = (2 * REACH + 1) ** 2
ANGLES = 8
STRENGTHS = (0.01, 0.03, 0.08)  # bounds of the root of the larger eigenvalue
COHERENCES = (0.3, 0.6)
CLASSES = ANGLES * (len(STRENGTHS) + 1) * (len(COHERENCES) + 1)
PLAIN = 0.01  # neighbourhoods that vary by less have nothing to add, and are not learned from
COMMON_RIDGE, CLASS_RIDGE = 1e-3, 3.0
STRUCTURE_PIXELS = 5  # over which the structure tensor is averaged


@dataclass(frozen=True)
class Filters:
    """Filters of one scale.

    Attributes:
        scale: factor of enlargement.
        weights: (CLASSES, TAPS, scale^2): from the neighbours, as differences to the pixel, to the
            residual of each of the high-resolution pixels that lie in it.
    """

    scale: int
    weights: Tensor

    @classmethod
    def fit(cls, images: Iterable[tuple[Tensor, Tensor]], scale: int) -> Self:
        """Fit the filters.

        Args:
            images: some at a time, (N, h, w) at low and (N, h * scale, w * scale) at high
                resolution, in [0, 1].
            scale: factor of enlargement.
        """
        gram = torch.zeros(CLASSES, TAPS, TAPS, dtype=torch.float64)
        moment = torch.zeros(CLASSES, TAPS, scale**2, dtype=torch.float64)
        for small, large in images:
            missed = F.pixel_unshuffle((large - enlarge(small, scale))[:, None], scale)
            wanted = missed.permute(0, 2, 3, 1).reshape(-1, scale**2)
            around = _neighbourhoods(small).reshape(-1, TAPS)
            kind = _classes(small).reshape(-1)
            varied = around.abs().amax(1) > PLAIN
            around, wanted, kind = around[varied].double(), wanted[varied].double(), kind[varied]
            for k in kind.unique().tolist():
                x, y = around[kind == k], wanted[kind == k]
                gram[k] += x.T @ x
                moment[k] += x.T @ y
        one = torch.eye(TAPS, dtype=torch.float64)
        total, total_moment = gram.sum(0), moment.sum(0)
        common = torch.linalg.solve(total + COMMON_RIDGE * one, total_moment)
        own = torch.linalg.solve(gram + CLASS_RIDGE * one, moment - gram @ common)
        return cls(scale, (common + own).float().contiguous())

    def enlarge(self, images: Tensor) -> Tensor:
        """Enlarge (..., h, w) in [0, 1] to (..., h * scale, w * scale) in [0, 1]."""
        planes = images.reshape(-1, *images.shape[-2:])
        parts = [self._residual(plane[None]) for plane in planes]
        residual = torch.cat(parts) if parts else planes.new_zeros(0)
        bicubic = enlarge(images, self.scale)
        return (bicubic + residual.reshape(bicubic.shape)).clamp(0, 1)

    def _residual(self, planes: Tensor) -> Tensor:
        """What the filters add to bicubic enlargement: (N, h, w) to (N, H, W)."""
        around, kind = _neighbourhoods(planes), _classes(planes)
        weights = self.weights.to(planes)
        found = planes.new_zeros(*around.shape[:-1], self.scale**2)
        for k in kind.unique().tolist():
            found[kind == k] = around[kind == k] @ weights[k]
        return F.pixel_shuffle(found.permute(0, 3, 1, 2), self.scale)[:, 0]


def _neighbourhoods(images: Tensor) -> Tensor:
    """Differences of the neighbours to each pixel, (N, h, w) to (N, h, w, TAPS)."""
    padded = F.pad(images[:, None], [REACH] * 4, mode="replicate")
    around = F.unfold(padded, 2 * REACH + 1).unflatten(2, images.shape[-2:]).permute(0, 2, 3, 1)
    return around - images[..., None]


def _classes(images: Tensor) -> Tensor:
    """Class of each pixel, (N, h, w) to int64 below CLASSES, from its structure tensor."""
    padded = F.pad(images[:, None], [1] * 4, mode="replicate")
    across = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]).to(images) / 8  # Sobel
    gradient = F.conv2d(padded, torch.stack([across, across.T])[:, None])
    products = torch.stack([gradient[:, 0] ** 2, gradient[:, 1] ** 2, gradient[:, :2].prod(1)], 1)
    reach = STRUCTURE_PIXELS // 2
    products = F.pad(products, [reach] * 4, mode="replicate")
    xx, yy, xy = F.avg_pool2d(products, STRUCTURE_PIXELS, 1).unbind(1)
    gap = ((xx - yy) ** 2 + 4 * xy**2).sqrt()
    larger = ((xx + yy + gap) / 2).sqrt()
    smaller = ((xx + yy - gap) / 2).clamp(min=0).sqrt()
    coherence = (larger - smaller) / (larger + smaller + 1e-6)
    direction = (torch.atan2(2 * xy, xx - yy) / 2 + math.pi / 2) / math.pi  # in [0, 1]
    angle = (direction * ANGLES).long().clamp(0, ANGLES - 1)
    strength = torch.bucketize(larger, torch.tensor(STRENGTHS).to(images))
    coherent = torch.bucketize(coherence, torch.tensor(COHERENCES).to(images))
    return (angle * (len(STRENGTHS) + 1) + strength) * (len(COHERENCES) + 1) + coherent
