"""The eight metrics of Table 1: one place for each, its direction and its convention.

All work on RGB in 0..255 and in float64 (LPIPS in float32). Against the sources a score is the mean
of the three values that the fused image has against each source; this holds for RMSE and PSNR too:
they are averaged, not computed from the averaged MSE.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from tfsdiff.core.tensors import SOURCES

# Modules, not their functions: a function of its module's name would hide the module.
from tfsdiff.metrics import error, gradient, lpips, ssim, vif
from tfsdiff.metrics.lpips import Unavailable


@dataclass(frozen=True)
class Metric:
    """One column of the tables.

    Attributes:
        function: (fused[, reference[, network]]) to one value an image.
        better: whether a higher or a lower value is better.
        needs_reference: False where the fused image alone is looked at.
        convention: what has to be known to compare the value with others.
        smallest_side: of the images, in pixels.
        needs_network: True where the function takes the network of LPIPS as well.
    """

    function: Callable[..., Tensor]
    better: Literal["higher", "lower"]
    needs_reference: bool
    convention: str
    smallest_side: int = 1
    needs_network: bool = False


METRICS = {
    "AG": Metric(
        gradient.average_gradient,
        "higher",
        False,
        "mean of sqrt((dx^2 + dy^2) / 2), forward differences, mean over R, G, B; 0..255",
        smallest_side=2,
    ),
    "MSE": Metric(error.mse, "lower", True, "over all pixels and channels, 0..255"),
    "VIF": Metric(
        vif.vif,
        "higher",
        True,
        "pixel domain, 4 scales, sigma_n^2 = 2, luminance 0..255",
        smallest_side=vif.SMALLEST_SIDE,
    ),
    "SSIM": Metric(
        ssim.ssim,
        "higher",
        True,
        "Gaussian 11 x 11, sigma 1.5, range 255, windows inside the image, mean over R, G, B",
        smallest_side=ssim.TAPS,
    ),
    "PSNR": Metric(
        error.psnr, "higher", True, "10 log10(255^2 / MSE) in dB, infinite for equal images"
    ),
    "LPIPS": Metric(
        lpips.lpips,
        "lower",
        True,
        "AlexNet, v0.1, inputs in [-1, 1]",
        smallest_side=lpips.SMALLEST_SIDE,
        needs_network=True,
    ),
    "MAE": Metric(error.mae, "lower", True, "over all pixels and channels, 0..255"),
    "RMSE": Metric(error.rmse, "lower", True, "root of the MSE of one image, 0..255"),
}

Row = dict[str, dict[str, float | None]]


class Scores(NamedTuple):
    """Scores of some images.

    Attributes:
        rows: one an image, {metric: {"sources": value, "truth": value}}, None where there is none.
        empty: {metric: reason} for the metrics that could not be computed at all.
    """

    rows: list[Row]
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
    names = [name for name in METRICS if name not in empty]
    rows = []
    for image, others in zip(fused, references, strict=True):  # one at a time stays in the cache
        row: Row = {name: {"sources": None, "truth": None} for name in METRICS}
        row.update({name: _against_both(METRICS[name], image, others, network) for name in names})
        rows.append(row)
    return Scores(rows, empty)


def _empty(side: int, network: nn.Module | Unavailable) -> dict[str, str]:
    """Reasons why metrics cannot be computed on images of `side` pixels with this network."""
    reasons = {}
    for name, metric in METRICS.items():
        if side < metric.smallest_side:
            reasons[name] = f"needs images of at least {metric.smallest_side} pixels, not {side}"
        elif metric.needs_network and isinstance(network, Unavailable):
            reasons[name] = network.reason
    return reasons


def _against_both(
    metric: Metric, image: Tensor, references: Tensor, network: nn.Module | Unavailable
) -> dict[str, float | None]:
    """Score one image (3, H, W) against its sources and truth (3 or 4, 3, H, W)."""
    if not metric.needs_reference:
        value = metric.function(image).item()
        return {"sources": value, "truth": value}
    extra = (network,) if metric.needs_network else ()
    values = metric.function(image, references, *extra)
    truth = values[SOURCES].item() if len(values) > SOURCES else None
    return {"sources": values[:SOURCES].mean().item(), "truth": truth}
