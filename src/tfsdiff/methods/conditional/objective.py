"""What a conditional diffusion is taught: denoising at random levels, or plain regression."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from tfsdiff.common.errors import InputError
from tfsdiff.core.backend import Backend
from tfsdiff.core.tensors import luminance
from tfsdiff.diffusion import parametrisation
from tfsdiff.diffusion.schedule import Schedule
from tfsdiff.methods.conditional.network import IMAGE_CHANNELS
from tfsdiff.params import Prediction, Train
from tfsdiff.training.loader import crop
from tfsdiff.training.losses import Levels, Norm, noise_objective, psf_terms, released_structure
from tfsdiff.training.objective import Objective

Base = Literal["maximum", "mean"]
Process = Literal["diffusion", "regression"]


@dataclass(frozen=True)
class Goal:
    """What a network predicts, and by what it is judged.

    Attributes:
        process: `diffusion`, or `regression` of the image in one evaluation without any noise, the
            control that answers whether diffusion is needed.
        prediction: the quantity predicted, eps in the paper.
        base: what the prediction `residual` is added to, see `first_guess`.
        norm: of the noise objective; l2 in the paper, l1 as released.
        psf: L_PSF of the estimated image (paper), or the released term.
        psf_mse, psf_ssim: weights of its terms; 0 leaves them out.
        psf_levels: how noise levels weigh in L_PSF, see `psf_terms`.
    """

    process: Process
    prediction: Prediction
    base: Base
    norm: Norm
    psf: Literal["estimate", "released"]
    psf_mse: float
    psf_ssim: float
    psf_levels: Levels

    def __post_init__(self) -> None:
        if self.process == "regression" and self.prediction not in ("x0", "residual"):
            raise InputError(
                f"prediction: {self.prediction} means nothing without noise; let a regression "
                "predict x0 or residual"
            )
        if self.psf == "released" and self.prediction != "eps":
            raise InputError(
                "psf: the released term is of the predicted noise; set prediction to eps"
            )


@dataclass(frozen=True)
class ConditionalExamples:
    """Examples of a conditional diffusion, in [-1, 1].

    Attributes:
        names: what to call the examples in errors.
        condition: (N, C, H, W).
        target: (N, 3, H, W).
        scale: of the enlargement, see `crop`.
    """

    names: tuple[str, ...]
    condition: Tensor
    target: Tensor
    scale: int

    def __post_init__(self) -> None:
        same = len(self.names) == len(self.condition) == len(self.target)
        if not same or self.condition.shape[-2:] != self.target.shape[-2:]:
            shapes = f"{tuple(self.condition.shape)} and {tuple(self.target.shape)}"
            raise ValueError(f"names, conditions and targets do not fit: {shapes}")

    def __len__(self) -> int:
        return len(self.target)

    @property
    def pixels(self) -> tuple[int, int]:
        """Height and width."""
        return self.target.shape[-2], self.target.shape[-1]

    def draw(
        self, indices: Tensor, settings: Train, generators: Sequence[torch.Generator]
    ) -> tuple[Tensor, Tensor]:
        """Cut the same random crop from condition and target, and turn both alike.

        Args:
            indices: (B,) examples.
            settings: size of the crops, and how to augment.
            generators: one an example.

        Returns:
            (B, C, h, w) and (B, 3, h, w); whole images where `settings.crop_pixels` is None.
        """
        crops = [
            crop(torch.cat([self.condition[i], self.target[i]]), settings, self.scale, generator)
            for i, generator in zip(indices.tolist(), generators, strict=True)
        ]
        return tuple(torch.stack(crops).split([self.condition.shape[1], 3], dim=1))


@dataclass(frozen=True)
class Denoising(Objective):
    """The objective of the training loop.

    Attributes:
        examples: what to learn from.
        goal, schedule, settings: what and how.
        backend: where the network computes.
    """

    examples: ConditionalExamples
    goal: Goal
    schedule: Schedule
    settings: Train
    backend: Backend

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the examples."""
        return self.examples.names

    def draw(self, indices: Tensor, generators: Sequence[torch.Generator]) -> tuple[Tensor, ...]:
        """Random crops at random noise levels, one generator an example.

        Returns:
            condition (B, C, h, w), x_0 and eps (B, 3, h, w), and g (B,).
        """
        condition, x_0 = self.examples.draw(indices, self.settings, generators)
        if self.goal.process == "regression":
            return condition, x_0, torch.zeros_like(x_0), self._no_signal(len(x_0))
        g = torch.cat([self.schedule.draw_levels(1, generator) for generator in generators])
        eps = torch.stack([torch.randn(x_0.shape[1:], generator=g) for g in generators])
        return condition, x_0, eps, g

    def _no_signal(self, count: int) -> Tensor:
        return self.schedule.alpha_bar[-1].sqrt().expand(count).clone()

    def loss(
        self, network: nn.Module, condition: Tensor, x_0: Tensor, eps: Tensor, g: Tensor
    ) -> dict[str, Tensor]:
        """Terms of the loss, means over the batch; "loss" is what is minimised."""
        goal, base = self.goal, first_guess(condition, self.goal.base)
        regression = goal.process == "regression"
        x_g = eps if regression else parametrisation.q_sample(x_0, eps, g)
        with self.backend.autocast():
            prediction = network(condition, x_g, g)
        prediction = prediction.float()
        wanted = parametrisation.target(goal.prediction, x_0, eps, g, base)
        loss = noise_objective(prediction, wanted, goal.norm)
        terms = {"noise": loss}
        if goal.psf == "released" and goal.psf_ssim:
            terms["psf_released"] = released_structure(prediction, x_0)
            loss = loss + goal.psf_ssim * terms["psf_released"]
        elif goal.psf_mse or goal.psf_ssim:
            estimate = parametrisation.to_x0(goal.prediction, prediction, x_g, g, base)
            psf = psf_terms(estimate, x_0, g, "uniform" if regression else goal.psf_levels)
            loss = loss + goal.psf_mse * psf["mse"] + goal.psf_ssim * psf["ssim"]
            terms |= {f"psf_{name}": value for name, value in psf.items()}
        return terms | {"loss": loss}


def first_guess(condition: Tensor, base: Base) -> Tensor:
    """Luminance of the stacked images in the colour of the last, the functional one.

    What the prediction `residual` is added to; a single image is its own first guess.

    Args:
        condition: (B, 3 n, H, W) in [-1, 1].
        base: the brightest luminance of the images at each pixel, or their mean.

    Returns:
        (B, 3, H, W) in [-1, 1].
    """
    images = condition.unflatten(1, (-1, IMAGE_CHANNELS))
    light = luminance(images)  # (B, n, 1, H, W)
    merged = light.amax(1) if base == "maximum" else light.mean(1)
    return (images[:, -1] + merged - light[:, -1]).clamp(-1, 1)
