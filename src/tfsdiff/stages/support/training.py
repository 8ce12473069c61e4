"""Fitting one method: what the training stages share."""

import contextlib
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfsdiff import methods
from tfsdiff.core import backend
from tfsdiff.data.dataset import load_batch, select
from tfsdiff.data.split import Part
from tfsdiff.methods.base import Examples, Method
from tfsdiff.params import Compute, Diffusion, Section, Train, UNet
from tfsdiff.stages.support import torchrun
from tfsdiff.stages.support.dvclive_log import LiveLog
from tfsdiff.training.log import NullLog, Recipe


class NetworkParams(Section):
    """Parameters of the training of a network, beside the settings of its method."""

    compute: Compute
    diffusion: Diffusion
    seed: int
    train: Train
    unet: UNet


@dataclass(frozen=True)
class Examined:
    """What a network learns from: the split, folders of sources at both resolutions, and truth."""

    split: Path
    high: Path
    low: Path
    truth: Path


@dataclass(frozen=True)
class Written:
    """Where a training writes: `speeds` is a file, the others are folders."""

    checkpoints: Path
    speeds: Path
    live: Path
    out: Path


def fit_network(
    params: NetworkParams,
    name: str,
    settings: dict[str, Any],
    scale: int,
    read: Examined,
    written: Written,
) -> None:
    """Fit the network `name` at one scale, under torchrun if several processes share the batch."""

    def examples(part: Part) -> Examples:
        groups = select(read.high, read.split, part)
        return Examples(load_batch(read.high, groups, read.truth), load_batch(read.low, groups))

    torchrun.relaunch(params.train.processes)
    sections = params.unet, params.diffusion, params.train
    recipe = Recipe(params.seed, written.checkpoints, *sections)
    method = methods.build(name, settings, scale)
    fit_and_save(name, method, examples, recipe, params.compute, written)


def fit_and_save(
    name: str,
    method: Method,
    examples: Callable[[Part], Examples],
    recipe: Recipe,
    compute: Compute,
    written: Written,
    weights: Path | None = None,
) -> None:
    """Fit `method` on the training subset, or take its imported `weights`, and write it.

    Of the processes of torchrun only the first writes. The checkpoints are deleted.
    """
    first = os.environ.get("RANK", "0") == "0"
    log_of = LiveLog(written.live, written.speeds) if first else contextlib.nullcontext(NullLog())
    with log_of as log:
        if weights is not None:
            methods.take_weights(method, weights, backend.make(compute))
        else:
            parts = examples("train"), examples("validation")
            training = methods.training_module(method)
            training.fit(method, *parts, recipe, backend.make(compute), log)
        if first:
            log.size(sum(tensor.numel() for tensor in method.state()[0].values()))
    if first:
        methods.save_method(written.out, name, method)
        # A finished training must not be resumed: the code may have changed by the next run.
        shutil.rmtree(written.checkpoints, ignore_errors=True)
