"""Fit one fuser at high resolution, without any ground truth.

Reads: the split, high-resolution sources, pairs beside them; or imported weights, where
`methods.FUSER.weights` names their folder. Writes: weights.safetensors with the settings beside it,
and DVCLive's curves. Checkpoints and images per second lie outside every tracked output, as those
of the stage `train`.
"""

from pathlib import Path
from typing import Any

from tfsdiff import methods
from tfsdiff.data.dataset import load_batch, select
from tfsdiff.data.pairs import load_pairs
from tfsdiff.data.split import Part
from tfsdiff.methods.base import Examples
from tfsdiff.params import Compute, Section
from tfsdiff.stages.support import cli
from tfsdiff.stages.support.training import TrainingOutputs, fit_and_save
from tfsdiff.training.log import Recipe


class Params(Section):
    """The parameters that this stage may read."""

    compute: Compute
    methods: dict[str, dict[str, Any]]
    seed: int


def train_fuser(
    params: Params,
    *,
    fuser: str,
    split: Path,
    sources: Path,
    pairs: Path,
    checkpoints: Path,
    speeds: Path,
    live: Path,
    out: Path,
) -> None:
    """Fit `fuser` on the training subset and write it to the folder `out`."""

    def examples(part: Part) -> Examples:
        beside = load_pairs(pairs) if part == "train" else None
        return Examples(load_batch(sources, select(sources, split, part)), pairs=beside)

    settings = params.methods[fuser]
    method = methods.build(fuser, settings, scale=None)
    recipe = Recipe(params.seed, checkpoints)
    outputs = TrainingOutputs(checkpoints, speeds, live, out)
    weights = methods.weights_of(settings)
    fit_and_save(fuser, method, examples, recipe, params.compute, outputs, weights)


if __name__ == "__main__":
    cli.run(train_fuser)
