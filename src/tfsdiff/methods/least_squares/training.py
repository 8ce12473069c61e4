"""The fit of the filters of `least_squares`."""

import torch

from tfsdiff.core.backend import Backend
from tfsdiff.methods.base import Examples
from tfsdiff.methods.least_squares.filters import Filters
from tfsdiff.methods.least_squares.method import LeastSquares
from tfsdiff.metrics.error import psnr
from tfsdiff.metrics.windows import PEAK
from tfsdiff.training.evaluate import sheet
from tfsdiff.training.log import Log, Recipe

AT_ONCE = 16  # images


def fit(
    method: LeastSquares,
    train: Examples,
    validation: Examples,
    recipe: Recipe,
    backend: Backend,
    log: Log,
) -> None:
    """Fit the filters to all sources of `train`: the luminance of grey ones, each colour channel.

    On the CPU; recipe and backend change nothing.
    """
    del recipe, backend
    method.filters = fitted(train, method.scale)
    low, high = validation.low.sources.flatten(0, 1), validation.high.sources.flatten(0, 1)
    enlarged = method.filters.enlarge(low)
    levels = ((PEAK * x.double()).round() for x in (enlarged, high))
    log.values(1, {"validation_psnr": psnr(*levels).mean().item()})
    log.samples(sheet(zip(enlarged[:3], high[:3], strict=True)))


def fitted(examples: Examples, scale: int) -> Filters:
    """Filters that enlarge the low-resolution sources of `examples` to those at high resolution."""
    low, high = (_planes(batch.sources) for batch in (examples.low, examples.high))
    return Filters.fit(low.split(AT_ONCE), high.split(AT_ONCE), scale)


def _planes(sources: torch.Tensor) -> torch.Tensor:
    """Distinct planes of sources (B, 3, 3, H, W): one of each anatomical, all of the functional."""
    return torch.cat([sources[:, :2, 0].flatten(0, 1), sources[:, 2].flatten(0, 1)])
