"""The fit of the filters of an enlargement by least squares, to the sources of examples."""

from collections.abc import Iterator

import torch
from torch import Tensor

from tfsdiff.data.least_squares import Filters
from tfsdiff.methods.base import Examples

AT_ONCE = 16  # images


def fit_filters(examples: Examples, scale: int) -> Filters:
    """Filters that enlarge the low-resolution sources of `examples` to those at high resolution."""

    def images() -> Iterator[tuple[Tensor, Tensor]]:
        for some in (examples, *examples.computed):
            planes = (_planes(batch.sources).split(AT_ONCE) for batch in (some.low, some.high))
            yield from zip(*planes, strict=True)

    return Filters.fit(images(), scale)


def _planes(sources: Tensor) -> Tensor:
    """Distinct planes (N, H, W) of sources: one of each anatomical, three of the functional one."""
    return torch.cat([sources[:, :2, 0].flatten(0, 1), sources[:, 2].flatten(0, 1)])
