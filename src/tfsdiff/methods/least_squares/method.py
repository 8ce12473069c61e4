"""The enlarger `least_squares`: what linear filters can do, without any network."""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from tfsdiff.common.errors import InputError
from tfsdiff.core.backend import Backend
from tfsdiff.data.least_squares import CLASSES, TAPS, Filters
from tfsdiff.methods.base import Enlarger
from tfsdiff.params import Section

WEIGHTS = "filters"


class Settings(Section):
    """It has none: the filters follow from the images alone."""


class LeastSquares(Enlarger):
    """Enlarges every channel by the same filters, which `training.fit` fits."""

    Settings: ClassVar[type[Section]] = Settings
    name = "least_squares"
    learned = True

    filters: Filters | None = None

    def enlarge(self, images: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
        """Enlarge (B, 3, h, w) in [0, 1] to (B, 3, h * scale, w * scale) in [0, 1]."""
        if self.filters is None:
            raise ValueError(f"{self.name} needs filters, by a fit or `restore`")
        return self.filters.enlarge(images)

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """The filters."""
        if self.filters is None:
            raise ValueError("nothing was learned yet")
        return {WEIGHTS: self.filters.weights}, {}

    def restore(self, tensors: dict[str, Tensor], values: dict[str, Any], backend: Backend) -> None:
        """Take back what `state` gave; images are enlarged where they lie.

        Raises:
            InputError: they are not filters of this scale.
        """
        shape = (CLASSES, TAPS, self.scale**2)
        if set(tensors) != {WEIGHTS} or tensors[WEIGHTS].shape != shape:
            raise InputError(f"no filters of scale {self.scale}, a tensor {WEIGHTS} {shape}")
        self.filters = Filters(self.scale, tensors[WEIGHTS])
