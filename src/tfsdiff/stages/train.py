"""Fit one network at one scale; a killed training goes on from its last checkpoint.

Reads: the split, low- and high-resolution sources, the ground truth. Writes: weights.safetensors
with the resolved parameters beside it, and DVCLive's curves and validation samples. Checkpoints and
images per second lie outside every tracked output: DVC and Snakemake delete those before a stage
runs again, and the speed differs from run to run.

With `train.processes` above 1 the stage runs itself under torchrun, one process a GPU.
"""

import contextlib
import os
import shutil
from pathlib import Path
from typing import Any

from tfsdiff import backend, zoo
from tfsdiff.data.dataset import load_batch, select
from tfsdiff.data.split import Part
from tfsdiff.params import Compute, Diffusion, Section, Train, UNet
from tfsdiff.stages import _cli, _launch
from tfsdiff.stages._live import LiveLog
from tfsdiff.training.recipe import Silence
from tfsdiff.zoo.base import Examples, Recipe


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
    checkpoints: Path,
    speeds: Path,
    live: Path,
    out: Path,
) -> None:
    """Fit `network` on the training part and write it to the folder `out`."""

    def examples(part: Part) -> Examples:
        groups = select(high, split, part)
        return Examples(load_batch(high, groups, truth), load_batch(low, groups))

    _launch.relaunch(params.train.processes)
    recipe = Recipe(params.seed, checkpoints, params.unet, params.diffusion, params.train)
    member = zoo.build(network, params.zoo[network], scale)
    first = os.environ.get("RANK", "0") == "0"  # of the processes of torchrun: it alone writes
    with LiveLog(live, speeds) if first else contextlib.nullcontext(Silence()) as log:
        member.fit(
            examples("train"),
            examples("validation"),
            recipe,
            backend.make(params.compute),
            log,
        )
        if first:
            log.size(sum(tensor.numel() for tensor in member.state()[0].values()))
    if first:
        zoo.save_member(out, network, member)
        # What is finished must not be resumed: the code may be another next time.
        shutil.rmtree(checkpoints, ignore_errors=True)


if __name__ == "__main__":
    _cli.run(train)
