"""Training of CTSR: its dictionary, learned by K-SVD from patches of the training images."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from tfsdiff.common.progress import progress
from tfsdiff.core import seeding
from tfsdiff.core.backend import Backend
from tfsdiff.core.tensors import luminance
from tfsdiff.methods.base import Examples
from tfsdiff.methods.ctsr.dictionary import (
    improve,
    initial,
    picture,
    read_dictionary,
    representation_error,
    training_patches,
)
from tfsdiff.methods.ctsr.method import CTSR, LEARNED, Settings, smoothed
from tfsdiff.training.checkpoint import Checkpoint, fingerprint
from tfsdiff.training.log import Log, Recipe

UNSEEN_SHARE = 8  # patches learned from over those that the curve of the validation is made of


def fit(
    method: CTSR, train: Examples, validation: Examples, recipe: Recipe, backend: Backend, log: Log
) -> None:
    """Learn the dictionary from all images of `train`, or from their textures; or read it.

    A killed training goes on after its last iteration. All is computed on the CPU.

    Raises:
        InputError: there are too few images, or the file is no dictionary.
    """
    settings, seed = method.settings, recipe.seed
    vectors = patches_of(train, settings, settings.patches, seed, "train")
    unseen = patches_of(validation, settings, settings.patches // UNSEEN_SHARE, seed, "validation")
    curve = _Curve(vectors, unseen, settings.sparsity, log)
    if settings.dictionary == LEARNED:
        dictionary = _learn(vectors, settings, recipe, curve)
    else:
        dictionary = read_dictionary(Path(settings.dictionary))
        curve.add(0, dictionary)
    log.samples(torch.from_numpy(picture(dictionary)).expand(3, -1, -1))
    method.set_dictionary(dictionary, {"seed": seed})


def patches_of(
    examples: Examples, settings: Settings, limit: int, seed: int, subset: str
) -> np.ndarray:
    """At most `limit` patches (N, 64) of the luminances, or textures, of all images."""
    images = _luminances(examples)
    if settings.learned_from == "textures":
        images = (image - smoothed(image, settings) for image in images)
    return training_patches(images, limit, seeding.rng(seed, "ctsr", subset))


def _luminances(examples: Examples) -> Iterator[np.ndarray]:
    """Luminance (H, W) of every image, float64."""
    sets = [examples.high.sources] + ([] if examples.pairs is None else [examples.pairs.images])
    for images in sets:
        for group in images:
            yield from luminance(group.double())[:, 0].cpu().numpy()


def _learn(vectors: np.ndarray, settings: Settings, recipe: Recipe, curve: "_Curve") -> np.ndarray:
    identity = ["CTSR", settings.model_dump(mode="json"), recipe.seed]
    mark = fingerprint(identity, [torch.from_numpy(vectors)])
    checkpoint = Checkpoint(recipe.checkpoints, mark)
    checkpoint.sweep()
    found = checkpoint.load()
    if found is None:
        rng = seeding.rng(recipe.seed, "ctsr", "initial")
        dictionary, done = initial(vectors, settings.atoms, rng), 0
    else:
        dictionary, done = found[0]["dictionary"].numpy(), len(found[1]["history"])
        curve.repeat(found[1]["history"])
    steps = range(done, settings.iterations)
    for step in progress(steps, "CTSR", settings.iterations, done):
        rng = seeding.rng(recipe.seed, "ctsr", "step", step)
        dictionary = improve(vectors, dictionary, settings.sparsity, rng)
        curve.add(step + 1, dictionary)
        checkpoint.save({"dictionary": torch.from_numpy(dictionary)}, {"history": curve.history})
    return dictionary


class _Curve:
    """Errors of dictionaries on patches, learned from and not; logs them, and remembers them."""

    def __init__(self, seen: np.ndarray, unseen: np.ndarray, sparsity: int, log: Log) -> None:
        self.patches = {"train": seen, "validation": unseen}
        self.sparsity = sparsity
        self.log = log
        self.history: list[dict[str, float]] = []

    def add(self, step: int, dictionary: np.ndarray) -> None:
        """Log the mean squared errors of `dictionary` after iteration `step`, also in dB."""
        values = {}
        for name, vectors in self.patches.items():
            if not len(vectors):
                continue
            loss = representation_error(vectors, dictionary, self.sparsity)
            values[f"{name}_loss"] = loss
            values[f"{name}_psnr"] = -10 * float(np.log10(max(loss, 1e-12)))
        self.log.values(step, values)
        self.history.append(values)

    def repeat(self, history: list[dict[str, float]]) -> None:
        """Log again what was noted before a training was killed."""
        self.history = list(history)
        for step, values in enumerate(history, start=1):
            self.log.values(step, values)
