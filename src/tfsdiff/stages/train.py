"""Fit one network at one scale; a killed training goes on from its last checkpoint.

Reads: the split, low- and high-resolution sources, the ground truth. Writes: weights.safetensors
with the resolved parameters beside it, and DVCLive's curves and validation samples. Checkpoints and
images per second lie outside every tracked output: DVC and Snakemake delete those before a stage
runs again, and the speed differs from run to run.

With `train.processes` above 1 the stage runs itself under torchrun, one process a GPU.
"""

from pathlib import Path
from typing import Any

from tfsdiff.params import Variant
from tfsdiff.stages.support import cli
from tfsdiff.stages.support.settings import settings_of
from tfsdiff.stages.support.training import Examined, NetworkParams, Written, fit_network


class Params(NetworkParams):
    """The parameters that this stage may read."""

    methods: dict[str, dict[str, Any]]
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
    checkpoints: Path,
    speeds: Path,
    live: Path,
    out: Path,
) -> None:
    """Fit `network`, a method or a variant, on the training subset and write it to `out`."""
    read, written = Examined(split, high, low, truth), Written(checkpoints, speeds, live, out)
    settings = settings_of(network, params.methods, params.variants)
    fit_network(params, network, settings, scale, read, written)


if __name__ == "__main__":
    cli.run(train)
