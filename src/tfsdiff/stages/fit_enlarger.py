"""Fit an enlarger that has no network to the training groups, at one scale.

Reads: the split, low- and high-resolution sources, computed groups. Writes: what was fitted, in
weights.safetensors.
"""

from pathlib import Path
from typing import Any

from tfsdiff import methods
from tfsdiff.core import backend
from tfsdiff.methods.base import Examples
from tfsdiff.params import Compute, Section
from tfsdiff.stages.support import cli
from tfsdiff.stages.support.examples import ExampleFolders
from tfsdiff.training.log import NullLog, Recipe


class Params(Section):
    """The parameters that this stage may read."""

    compute: Compute
    methods: dict[str, dict[str, Any]]
    seed: int


def fit_enlarger(
    params: Params,
    *,
    enlarger: str,
    scale: int,
    split: Path,
    low: Path,
    high: Path,
    computed: Path,
    computed_truth: Path,
    out: Path,
) -> None:
    """Fit `enlarger` on the training subset and write it to the folder `out`."""
    method = methods.build(enlarger, params.methods[enlarger], scale)
    folders = ExampleFolders(split, low, high, None, computed, computed_truth)
    examples = folders.load("train", scale, real_share=0.0)
    nothing = Examples(examples.high)
    training = methods.training_module(method)
    recipe = Recipe(params.seed, out)
    training.fit(method, examples, nothing, recipe, backend.make(params.compute), NullLog())
    methods.save_method(out, enlarger, method)


if __name__ == "__main__":
    cli.run(fit_enlarger)
