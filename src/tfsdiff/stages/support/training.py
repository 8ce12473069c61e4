"""Fitting one method: what the training stages share."""

import contextlib
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tfsdiff import methods
from tfsdiff.core import backend
from tfsdiff.data.split import Part
from tfsdiff.methods.base import Examples, Method
from tfsdiff.params import Compute
from tfsdiff.stages.support.dvclive_log import LiveLog
from tfsdiff.training.log import NullLog, Recipe


@dataclass(frozen=True)
class TrainingOutputs:
    """Where a training writes: `speeds` is a file, the others are folders."""

    checkpoints: Path
    speeds: Path
    live: Path
    out: Path


def fit_and_save(
    name: str,
    method: Method,
    examples: Callable[[Part], Examples],
    recipe: Recipe,
    compute: Compute,
    outputs: TrainingOutputs,
    weights: Path | None = None,
) -> None:
    """Fit `method` on the training subset, or take its imported `weights`, and write it.

    Of the processes of torchrun only the first writes. The checkpoints are deleted.
    """
    first = os.environ.get("RANK", "0") == "0"
    log_of = LiveLog(outputs.live, outputs.speeds) if first else contextlib.nullcontext(NullLog())
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
        methods.save_method(outputs.out, name, method)
        # A finished training must not be resumed: the code may have changed by the next run.
        shutil.rmtree(outputs.checkpoints, ignore_errors=True)
