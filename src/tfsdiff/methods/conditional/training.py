"""Training of a conditional diffusion."""

from tfsdiff.core.backend import Backend
from tfsdiff.methods.base import Examples
from tfsdiff.methods.conditional.method import Diffusing
from tfsdiff.training.log import Log, Recipe


def fit(
    method: Diffusing,
    train: Examples,
    validation: Examples,
    recipe: Recipe,
    backend: Backend,
    log: Log,
) -> None:
    """Train the network of `method` to draw its targets."""
    method.fit(train, validation, recipe, backend, log)
