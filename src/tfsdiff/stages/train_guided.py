"""Fit a guided network at one scale, on groups that its guide has enlarged.

Reads and writes what the stage `train` does; reads also the guide, which becomes part of the
network's folder, and what the stage `guide` wrote.
"""

from pathlib import Path
from typing import Any

from tfsdiff import methods
from tfsdiff.core import backend
from tfsdiff.data.split import Part
from tfsdiff.methods.base import Examples
from tfsdiff.params import Compute, Diffusion, Section, Synthetic, Train, UNet
from tfsdiff.stages.support import cli, torchrun
from tfsdiff.stages.support.examples import ExampleFolders
from tfsdiff.stages.support.training import TrainingOutputs, fit_and_save
from tfsdiff.training.log import Recipe


class Params(Section):
    """The parameters that this stage may read."""

    compute: Compute
    diffusion: Diffusion
    methods: dict[str, dict[str, Any]]
    seed: int
    synthetic: Synthetic
    train: Train
    unet: UNet


def train_guided(
    params: Params,
    *,
    network: str,
    scale: int,
    split: Path,
    low: Path,
    high: Path,
    truth: Path,
    computed: Path,
    computed_truth: Path,
    guide: Path,
    guided: Path,
    checkpoints: Path,
    speeds: Path,
    live: Path,
    out: Path,
) -> None:
    """Fit `network`, guided by the enlarger in the folder `guide`, and write it to `out`."""
    folders = ExampleFolders(split, low, high, truth, computed, computed_truth, guided)

    def examples(part: Part) -> Examples:
        return folders.load(part, scale, params.synthetic.real_share)

    torchrun.relaunch(params.train.processes)
    method = methods.build(network, params.methods[network], scale)
    settings = params.train
    if method.settings.steps is not None:
        settings = settings.model_copy(update={"steps": method.settings.steps})
    recipe = Recipe(params.seed, checkpoints, params.unet, params.diffusion, settings)
    method.guide_by(methods.load_method(guide, backend.make(params.compute)))
    outputs = TrainingOutputs(checkpoints, speeds, live, out)
    fit_and_save(network, method, examples, recipe, params.compute, outputs)


if __name__ == "__main__":
    cli.run(train_guided)
