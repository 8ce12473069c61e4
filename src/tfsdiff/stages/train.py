"""Fit one network at one scale; a killed training goes on from its last checkpoint.

Reads: the split, low- and high-resolution sources, the ground truth. Writes: weights.safetensors
with the resolved parameters beside it, and the curve of the losses.
"""

import shutil
from pathlib import Path
from typing import Any

import torch

from tfsdiff import fusers
from tfsdiff.data.dataset import load_batch, select
from tfsdiff.data.split import Part
from tfsdiff.fusers.base import Examples, Recipe
from tfsdiff.params import Compute, Diffusion, Section, Train, UNet
from tfsdiff.stages import _cli
from tfsdiff.stages._curve import Curve


class Params(Section):
    """What this stage may see."""

    compute: Compute
    diffusion: Diffusion
    seed: int
    train: Train
    unet: UNet
    zoo: dict[str, dict[str, Any]]


def train(
    params: Params,
    *,
    network: str,
    scale: int,
    split: Path,
    low: Path,
    high: Path,
    truth: Path,
    curve: Path,
    out: Path,
) -> None:
    """Fit `network` on the training part and write it to the folder `out`."""

    def examples(part: Part) -> Examples:
        groups = select(high, split, part)
        return Examples(load_batch(low, groups), load_batch(high, groups, truth))

    # Outside every tracked output: DVC and Snakemake delete those before a stage runs again.
    checkpoints = out.parent.parent / "checkpoints" / out.name
    recipe = Recipe(params.unet, params.diffusion, params.train, params.seed, checkpoints)
    member = fusers.build(network, params.zoo[network], scale)
    with Curve(curve) as log:
        member.fit(
            examples("train"),
            examples("validation"),
            recipe,
            torch.device(params.compute.device),
            log,
        )
    fusers.save_member(out, network, member)
    # What is finished must not be resumed: the code may be another next time.
    shutil.rmtree(checkpoints, ignore_errors=True)


if __name__ == "__main__":
    _cli.run(train)
