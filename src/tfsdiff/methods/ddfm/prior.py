"""Learning an unconditional diffusion of RGB images, and its estimates of x_0."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tfsdiff.core.backend import Backend
from tfsdiff.core.seeding import generator
from tfsdiff.diffusion import parametrisation
from tfsdiff.diffusion.padding import pad_to_multiple
from tfsdiff.diffusion.samplers import ddim
from tfsdiff.diffusion.schedule import Schedule
from tfsdiff.methods.ddfm.em import Estimate, respaced
from tfsdiff.params import Train
from tfsdiff.training.evaluate import mean_losses, sheet
from tfsdiff.training.loader import crop
from tfsdiff.training.objective import Objective

RGB = 3


@dataclass(frozen=True)
class Images:
    """RGB images to learn from.

    Attributes:
        names: what to call the images in errors.
        images: (N, 3, H, W) in [-1, 1].
    """

    names: tuple[str, ...]
    images: Tensor

    def __post_init__(self) -> None:
        if self.images.ndim != 4 or self.images.shape[:2] != (len(self.names), RGB):
            raise ValueError(f"images must be (N, 3, H, W), not {tuple(self.images.shape)}")

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True)
class PriorObjective(Objective):
    """The objective of the training loop: the noise of an image at a random step (Ho et al. 2020).

    Attributes:
        examples: what to learn from.
        schedule: of the diffusion.
        settings: size of the crops, and how to augment.
        multiple: that height and width of the network's input must be multiples of.
        backend: where the network computes.
    """

    examples: Images
    schedule: Schedule
    settings: Train
    multiple: int
    backend: Backend

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the images."""
        return self.examples.names

    def draw(self, indices: Tensor, generators: Sequence[torch.Generator]) -> tuple[Tensor, ...]:
        """Random crops, one generator an example.

        Returns:
            x_0 and eps (B, 3, h, w), and t (B,), uniform in 0..T - 1.
        """
        chosen = self.examples.images[indices]
        crops = [crop(x, self.settings, 1, g) for x, g in zip(chosen, generators, strict=True)]
        x_0 = pad_to_multiple(torch.stack(crops), self.multiple)
        steps = [torch.randint(self.schedule.T, (1,), generator=g) for g in generators]
        eps = torch.stack([torch.randn(x_0.shape[1:], generator=g) for g in generators])
        return x_0, eps, torch.cat(steps)

    def loss(self, network: nn.Module, x_0: Tensor, eps: Tensor, t: Tensor) -> dict[str, Tensor]:
        """The simple objective, mean over the batch; a learned variance is not looked at."""
        g = self.schedule.alpha_bar.to(t.device)[t + 1].sqrt()
        with self.backend.autocast():
            prediction = network(parametrisation.q_sample(x_0, eps, g), t)
        return {"loss": (prediction[:, :RGB].float() - eps).square().mean()}


@dataclass(frozen=True)
class PriorEvaluator:
    """Evaluates a prior by its loss on images that it does not learn from.

    Attributes:
        objective: of these images.
        seed: of crops, steps and noise: the same at every call.
    """

    objective: PriorObjective
    seed: int

    @torch.no_grad()
    def __call__(self, network: nn.Module) -> tuple[dict[str, float], Tensor]:
        """Evaluate `network`.

        Returns:
            Mean "loss" over all images; and some images drawn, in a row (3, h, n w) in [0, 1].
        """
        objective = self.objective
        losses = mean_losses(network, objective, objective.settings, objective.backend, self.seed)
        return losses, self._sheet(network)

    def _sheet(self, network: nn.Module) -> Tensor:
        objective, settings = self.objective, self.objective.settings
        evaluations = min(settings.validation_evaluations, objective.schedule.T)
        steps = respaced(objective.schedule, evaluations)
        estimate = estimator(network, objective.schedule, objective.backend)
        first = objective.draw(torch.tensor([0]), [generator(self.seed, "validation", 0)])[0]
        drawn = [
            ddim(
                lambda x, g: estimate(x, steps[g]),
                first.shape[1:],
                [*steps, 1.0],
                [generator(self.seed, "draw", i)],
                objective.backend.device,
            )
            for i in range(settings.validation_images)
        ]
        return sheet([[((x[0].cpu() + 1) / 2).clamp(0, 1) for x in drawn]])


def estimator(network: nn.Module, schedule: Schedule, backend: Backend) -> Estimate:
    """Make an estimate of x_0, clamped to [-1, 1], of a network that predicts the noise."""
    levels = schedule.alpha_bar[1:].sqrt()

    def estimate(x: Tensor, t: int) -> Tensor:
        with backend.autocast():
            eps = network(x, torch.full((len(x),), t, device=x.device))[:, :RGB].float()
        return parametrisation.to_x0("eps", eps, x, levels[t : t + 1], x)

    return estimate
