"""A method that draws its images by a conditional diffusion: what SR3 and TFS-Diff share."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from tfsdiff.core.backend import Backend
from tfsdiff.methods.base import Examples, Method
from tfsdiff.methods.conditional.model import ConditionalDiffusion, Design, Stack
from tfsdiff.methods.conditional.objective import Process
from tfsdiff.params import Diffusion, Prediction, Section, UNet, validate
from tfsdiff.training.log import Log, Recipe
from tfsdiff.training.losses import Norm


class Learning(Section):
    """What the network is taught; each choice is a cell of the ablations."""

    process: Process  # regression: the image in one evaluation, without diffusion
    prediction: Prediction | None  # null: that of the section diffusion
    noise_loss: Norm  # l2: the paper; l1: as released


class Diffusing(Method):
    """A method that draws its images by a conditional diffusion; subclasses fill the gaps."""

    learned = True
    sampled = True

    settings: Learning
    _model: ConditionalDiffusion | None = None
    _recipe: dict[str, Any]

    def design(self, diffusion: Diffusion) -> Design:
        """The network and goal that the settings describe, for such a diffusion."""
        raise NotImplementedError

    def stack(self, examples: Examples) -> Stack:
        """Conditions (N, C, H, W) and their target images (N, 3, H, W), with names."""
        raise NotImplementedError

    def fit(
        self, train: Examples, validation: Examples, recipe: Recipe, backend: Backend, log: Log
    ) -> None:
        """Learn to draw the targets; goes on from the checkpoint of a killed training."""
        design = self.design(recipe.diffusion)
        model = ConditionalDiffusion(design, recipe.unet, recipe.diffusion, recipe.seed)
        title = f"{type(self).__name__} x{self.scale}"
        stacks = self.stack(train), self.stack(validation)
        model.fit(title, *stacks, self.scale, recipe, backend, log)
        self._model, self._recipe = model, recipe.values()

    def draw(self, condition: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
        """Draw an image (B, 3, H, W) in [0, 1] for each condition (B, C, H, W) in [0, 1]."""
        if self._model is None or self.sampling is None:
            raise ValueError("needs weights (fit or restore) and `sampling` before it can draw")
        return self._model.sample(condition, generators, self.sampling)

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Weights of the averaged network, and the recipe."""
        if self._model is None:
            raise ValueError("nothing was learned yet")
        return self._model.state(), self._recipe

    def restore(self, tensors: dict[str, Tensor], values: dict[str, Any], backend: Backend) -> None:
        """Take back what `state` gave, to compute by `backend`."""
        unet = validate(values.get("unet"), UNet, "unet")
        diffusion = validate(values.get("diffusion"), Diffusion, "diffusion")
        model = ConditionalDiffusion(self.design(diffusion), unet, diffusion)
        model.restore(tensors, backend)
        self._model, self._recipe = model, values
