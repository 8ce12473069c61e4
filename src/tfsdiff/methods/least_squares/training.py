"""The fit of the filters of `least_squares`."""

from tfsdiff.core.backend import Backend
from tfsdiff.methods.base import Examples
from tfsdiff.methods.filters import fit_filters
from tfsdiff.methods.least_squares.method import LeastSquares
from tfsdiff.training.log import Log, Recipe


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
    method.filters = fit_filters(train, method.scale)
