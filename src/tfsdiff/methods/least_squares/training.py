"""The fit of the filters of `least_squares`."""

from collections.abc import Iterator

import torch
from torch import Tensor

from tfsdiff.core.backend import Backend
from tfsdiff.methods.base import Examples
from tfsdiff.methods.least_squares.filters import Filters
from tfsdiff.methods.least_squares.method import LeastSquares
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
    """Fit the filters to all sources of `train`, on the CPU; nothing else is looked at."""
    del validation, recipe, backend, log
    method.filters = fitted(train, method.scale)


def fitted(examples: Examples, scale: int) -> Filters:
    """Filters that enlarge the low-resolution sources of `examples` to those at high resolution."""

    def images() -> Iterator[tuple[Tensor, Tensor]]:
        for some in (examples, *examples.computed):
            planes = (_planes(batch.sources).split(AT_ONCE) for batch in (some.low, some.high))
            yield from zip(*planes, strict=True)

    return Filters.fit(images(), scale)


def _planes(sources: Tensor) -> Tensor:
    """Distinct planes (N, H, W) of sources: one of each anatomical, three of the functional one."""
    return torch.cat([sources[:, :2, 0].flatten(0, 1), sources[:, 2].flatten(0, 1)])
