"""Fitting one member: what the stages `train` and `train_fuser` share."""

import contextlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from tfsdiff import methods
from tfsdiff.core import backend
from tfsdiff.data.split import Part
from tfsdiff.methods.base import Examples, Method, Recipe
from tfsdiff.params import Compute
from tfsdiff.stages.support.dvclive_log import LiveLog
from tfsdiff.training.log import NullLog


def fit_and_save(
    name: str,
    member: Method,
    examples: Callable[[Part], Examples],
    recipe: Recipe,
    compute: Compute,
    live: Path,
    speeds: Path,
    out: Path,
    weights: Path | None = None,
) -> None:
    """Fit `member` on the training part, or take its imported `weights`; write it to `out`.

    Its curves go to `live`. Of the processes of torchrun the first alone writes. The checkpoints of
    `recipe` are deleted. A member that learns nothing reads no examples.
    """
    first = os.environ.get("RANK", "0") == "0"
    with LiveLog(live, speeds) if first else contextlib.nullcontext(NullLog()) as log:
        if weights is not None:
            methods.take_weights(member, weights, backend.make(compute))
        elif member.learned:
            parts = examples("train"), examples("validation")
            member.fit(*parts, recipe, backend.make(compute), log)
        if first:
            log.size(sum(tensor.numel() for tensor in member.state()[0].values()))
    if first:
        methods.save_method(out, name, member)
        # What is finished must not be resumed: the code may be another next time.
        shutil.rmtree(recipe.checkpoints, ignore_errors=True)
