"""A member that draws its images by a conditional diffusion: what SR3 and TFS-Diff share."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from tfsdiff.fusers.base import Examples, Log, Member, Recipe
from tfsdiff.params import Diffusion, UNet, validate
from tfsdiff.training.conditional import ConditionalDiffusion, Design


class Diffusing(Member):
    """A member that draws its images by a conditional diffusion; subclasses fill the gaps."""

    _model: ConditionalDiffusion | None = None
    _recipe: dict[str, Any]

    @property
    def design(self) -> Design:
        """The diffusion that the settings describe."""
        raise NotImplementedError

    def pairs(self, examples: Examples) -> tuple[Tensor, Tensor]:
        """Conditions (N, C, H, W) and their target images (N, 3, H, W), each in [0, 1]."""
        raise NotImplementedError

    def fit(
        self, train: Examples, validation: Examples, recipe: Recipe, device: torch.device, log: Log
    ) -> None:
        """Learn to draw the targets; goes on from the checkpoint of a killed training."""
        model = ConditionalDiffusion(self.design, recipe.unet, recipe.diffusion, recipe.seed)
        title = f"{type(self).__name__} x{self.scale}"
        pairs = self.pairs(train), self.pairs(validation)
        model.fit(title, *pairs, self.scale, recipe, device, log)
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

    def restore(
        self, tensors: dict[str, Tensor], values: dict[str, Any], device: torch.device
    ) -> None:
        """Take back what `state` gave, on `device`."""
        unet = validate(values.get("unet"), UNet, "unet")
        diffusion = validate(values.get("diffusion"), Diffusion, "diffusion")
        model = ConditionalDiffusion(self.design, unet, diffusion, seed=0)
        model.restore(tensors, device)
        self._model, self._recipe = model, values
