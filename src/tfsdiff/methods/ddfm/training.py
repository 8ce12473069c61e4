"""Training of DDFM's prior: an unconditional diffusion of the images at hand (Ho et al. 2020)."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tfsdiff.core.backend import Backend
from tfsdiff.core.seeding import generator
from tfsdiff.diffusion.denoiser import q_sample
from tfsdiff.diffusion.padding import pad_to_multiple
from tfsdiff.diffusion.samplers import ddim
from tfsdiff.methods.base import Examples
from tfsdiff.methods.ddfm.method import DDFM
from tfsdiff.methods.ddfm.network import multiple
from tfsdiff.methods.ddfm.prior import NOISE_LEVELS, RGB, SCHEDULE, estimator, evenly_spaced
from tfsdiff.methods.ddfm.settings import Settings
from tfsdiff.methods.fitting import initial_network, run_training, train_section
from tfsdiff.training.evaluate import mean_losses, sheet
from tfsdiff.training.loader import check_crop, crop
from tfsdiff.training.log import Log, Recipe
from tfsdiff.training.loop import Objective


def fit(
    method: DDFM, train: Examples, validation: Examples, recipe: Recipe, backend: Backend, log: Log
) -> None:
    """Train the prior of `method` on all images of `train`."""
    settings, section = method.settings, train_section(method)
    check_crop(section, 1, tuple(train.high.sources.shape[-2:]))
    seen, unseen = (PriorObjective(images_of(x), settings, backend) for x in (train, validation))
    network = initial_network(method.new_network, recipe.seed)
    trained = run_training(
        method,
        network,
        seen,
        PriorEvaluator(unseen, recipe.seed),
        section,
        [objective.examples.images for objective in (seen, unseen)],
        recipe,
        backend,
        log,
    )
    method.set_network(trained, recipe.values() | {"prior": "own"}, backend)


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


def images_of(examples: Examples) -> Images:
    """All images of all modalities to learn from, those of pairs beside the groups as well."""
    batch, pairs = examples.high, examples.pairs
    images = [batch.sources.flatten(0, 1)]
    names = [f"{group} source {i}" for group in batch.groups for i in range(1, 4)]
    if pairs is not None and len(pairs):
        images.append(pairs.images.flatten(0, 1))
        names += [f"{pair} image {i}" for pair in pairs.names for i in (1, 2)]
    return Images(tuple(names), 2 * torch.cat(images) - 1)


@dataclass(frozen=True)
class PriorObjective(Objective):
    """The noise of an image at a random step (Ho et al. 2020, eq. 14); see `Objective`.

    Attributes:
        examples: what to learn from.
        settings: of the method: the network, and `train` for the size of the crops.
        backend: where the network computes.
    """

    examples: Images
    settings: Settings
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
        train, chosen = self.settings.train, self.examples.images[indices]
        crops = [crop(x, train, 1, g) for x, g in zip(chosen, generators, strict=True)]
        x_0 = pad_to_multiple(torch.stack(crops), multiple(self.settings.network))
        steps = [torch.randint(NOISE_LEVELS, (1,), generator=g) for g in generators]
        eps = torch.stack([torch.randn(x_0.shape[1:], generator=g) for g in generators])
        return x_0, eps, torch.cat(steps)

    def loss(self, network: nn.Module, x_0: Tensor, eps: Tensor, t: Tensor) -> dict[str, Tensor]:
        """The simple objective, mean over the batch; a learned variance is not looked at."""
        g = SCHEDULE.alpha_bar.to(t.device)[t + 1].sqrt()
        with self.backend.autocast():
            prediction = network(q_sample(x_0, eps, g), t)
        return {"loss": (prediction[:, :RGB].float() - eps).square().mean()}


@dataclass(frozen=True)
class PriorEvaluator:
    """Evaluates a prior by its loss on images that it does not learn from, and draws some.

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
        objective, train = self.objective, self.objective.settings.train
        losses = mean_losses(network, objective, train, objective.backend, self.seed)
        return losses, self._sheet(network)

    def _sheet(self, network: nn.Module) -> Tensor:
        objective, train = self.objective, self.objective.settings.train
        levels = evenly_spaced(SCHEDULE, min(train.validation_evaluations, NOISE_LEVELS))
        estimate, device = estimator(network, SCHEDULE, objective.backend), objective.backend.device
        first = objective.draw(torch.tensor([0]), [generator(self.seed, "validation", 0)])[0]
        drawn = [
            ddim(estimate, first.shape[1:], levels, [generator(self.seed, "draw", i)], device)
            for i in range(train.validation_images)
        ]
        return sheet([[((x[0].cpu() + 1) / 2).clamp(0, 1) for x in drawn]])
