"""Fit one network at one scale; a killed training goes on from its last checkpoint.

Reads: the split, low- and high-resolution sources, the ground truth, computed groups. Writes:
weights.safetensors with the resolved parameters beside it, and DVCLive's curves and validation
samples. Checkpoints and images per second lie outside every tracked output: DVC and Snakemake
delete those before a stage runs again, and the speed differs from run to run.

With `train.processes` above 1 the stage runs itself under torchrun, one process a GPU.
"""

from pathlib import Path
from typing import Any

from tfsdiff import methods
from tfsdiff.data.split import Part
from tfsdiff.methods.base import Examples
from tfsdiff.params import Compute, Diffusion, Section, Synthetic, Train, UNet, Variant
from tfsdiff.stages.support import cli, torchrun
from tfsdiff.stages.support.examples import ExampleFolders
from tfsdiff.stages.support.settings import section_of, settings_of
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
    variants: dict[str, Variant]


def train(
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
    checkpoints: Path,
    speeds: Path,
    live: Path,
    out: Path,
) -> None:
    """Fit `network`, a method or a variant, on the training subset and write it to `out`."""
    unet, diffusion, settings, synthetic = (
        section_of(network, key, getattr(params, key), params.variants)
        for key in ("unet", "diffusion", "train", "synthetic")
    )
    folders = ExampleFolders(split, low, high, truth, computed, computed_truth)

    def examples(part: Part) -> Examples:
        return folders.load(part, scale, synthetic.real_share)

    torchrun.relaunch(settings.processes)
    recipe = Recipe(params.seed, checkpoints, unet, diffusion, settings)
    method = methods.build(network, settings_of(network, params.methods, params.variants), scale)
    outputs = TrainingOutputs(checkpoints, speeds, live, out)
    fit_and_save(network, method, examples, recipe, params.compute, outputs)


if __name__ == "__main__":
    cli.run(train)
