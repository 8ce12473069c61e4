"""Fit one fuser at high resolution; most learn without any truth, and some nothing at all.

Reads: the split, high-resolution sources, pairs beside them; or imported weights, where
`zoo.FUSER.weights` names their folder. Writes: weights.safetensors with the settings beside it, and
DVCLive's curves. Checkpoints and images per second lie outside every tracked output, as those of
the stage `train`.
"""

from pathlib import Path
from typing import Any

from tfsdiff import methods
from tfsdiff.data.dataset import load_batch, select
from tfsdiff.data.pairs import load_pairs
from tfsdiff.data.split import Part
from tfsdiff.methods.base import Examples, Recipe
from tfsdiff.params import Compute, Section
from tfsdiff.stages.support import cli
from tfsdiff.stages.support.training import fit_and_save


class Params(Section):
    """What this stage may see."""

    compute: Compute
    seed: int
    zoo: dict[str, dict[str, Any]]


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
    """Fit `fuser` on the training part and write it to the folder `out`."""

    def examples(part: Part) -> Examples:
        beside = load_pairs(pairs) if part == "train" else None
        return Examples(load_batch(sources, select(sources, split, part)), pairs=beside)

    member = methods.build(fuser, params.zoo[fuser], scale=None)
    recipe = Recipe(params.seed, checkpoints)
    weights = methods.weights_of(params.zoo[fuser])
    fit_and_save(fuser, member, examples, recipe, params.compute, live, speeds, out, weights)


if __name__ == "__main__":
    cli.run(train_fuser)
