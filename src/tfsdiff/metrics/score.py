"""All metrics of an image, against its three sources and against its ground truth.

Against the sources a score is the mean of the three values that the fused image has against each
source; this holds for RMSE and PSNR too: they are averaged, not computed from the averaged MSE.
"""

from collections.abc import Callable
from importlib import import_module
from typing import NamedTuple

import torch
from torch import Tensor, nn

from tfsdiff.core.tensors import SOURCES
from tfsdiff.metrics.lpips import Unavailable
from tfsdiff.metrics.registry import METRICS, Metric

ImageScores = dict[str, dict[str, float | None]]


class Scores(NamedTuple):
    """Scores of some images.

    Attributes:
        images: one each, {metric: {"sources": value, "truth": value}}, None where there is none.
        empty: {metric: reason} for the metrics that could not be computed at all.
    """

    images: list[ImageScores]
    empty: dict[str, str]


def score(
    fused: Tensor, sources: Tensor, truth: Tensor | None, network: nn.Module | Unavailable
) -> Scores:
    """Compute all metrics of every image, against the three sources and against the ground truth.

    A metric without a reference has the same value in both places. A metric whose window is larger
    than the images, and LPIPS without a network, stay empty.

    Args:
        fused: (B, 3, H, W) in 0..255.
        sources: (B, 3 sources, 3 channels, H, W) in 0..255.
        truth: (B, 3, H, W) in 0..255, or None: then nothing is scored against it.
        network: what `tfsdiff.metrics.lpips.load` gave.
    """
    if (
        fused.ndim != 4
        or sources.ndim != 5
        or sources.shape[1] != SOURCES
        or len(sources) != len(fused)
    ):
        shapes = f"{tuple(fused.shape)} and {tuple(sources.shape)}"
        raise ValueError(
            f"fused and sources must be (B, 3, H, W) and (B, 3, 3, H, W), not {shapes}"
        )
    references = sources if truth is None else torch.cat([sources, truth[:, None]], 1)
    empty = _empty(min(fused.shape[-2:]), network)
    images = []
    for image, others in zip(fused, references, strict=True):  # one at a time stays in the cache
        images.append(
            {
                name: {"sources": None, "truth": None}
                if name in empty
                else _against_both(metric, image, others, network)
                for name, metric in METRICS.items()
            }
        )
    return Scores(images, empty)


def function(metric: Metric) -> Callable[..., Tensor]:
    """Load the function of a metric."""
    module, name = metric.function.split(":")
    return getattr(import_module(module), name)


def smallest_side(metric: Metric) -> int:
    """Load the smallest side, in pixels, of the images that a metric can be computed on."""
    return import_module(metric.function.split(":")[0]).SMALLEST_SIDE


def _empty(side: int, network: nn.Module | Unavailable) -> dict[str, str]:
    """Reasons why metrics cannot be computed on images of `side` pixels with this network."""
    reasons = {}
    for name, metric in METRICS.items():
        least = smallest_side(metric)
        if side < least:
            reasons[name] = f"needs images of at least {least} pixels, not {side}"
        elif metric.needs_network and isinstance(network, Unavailable):
            reasons[name] = network.reason
    return reasons


def _against_both(
    metric: Metric, image: Tensor, references: Tensor, network: nn.Module | Unavailable
) -> dict[str, float | None]:
    """Score one image (3, H, W) against its sources and truth (3 or 4, 3, H, W)."""
    if not metric.needs_reference:
        value = function(metric)(image).item()
        return {"sources": value, "truth": value}
    extra = (network,) if metric.needs_network else ()
    values = function(metric)(image, references, *extra)
    truth = values[SOURCES].item() if len(values) > SOURCES else None
    return {"sources": values[:SOURCES].mean().item(), "truth": truth}
