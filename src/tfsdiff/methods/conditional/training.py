"""Training of a conditional diffusion: from which weights, what it learns, how it is evaluated."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tfsdiff.common.sequences import evenly
from tfsdiff.core.backend import Backend
from tfsdiff.core.seeding import generator
from tfsdiff.core.tensors import CHANNELS
from tfsdiff.diffusion.denoiser import Denoiser, Parametrisation, ResidualSize, q_sample
from tfsdiff.diffusion.schedule import Schedule
from tfsdiff.methods.base import Examples
from tfsdiff.methods.conditional.blocks import ResidualBlock
from tfsdiff.methods.conditional.method import (
    RESIDUAL,
    ConditionalMethod,
    ConditionalPairs,
    ImageLoss,
    joined,
)
from tfsdiff.methods.conditional.network import ConditionalUNet, Gate
from tfsdiff.methods.filters import fit_filters
from tfsdiff.methods.fitting import run_training
from tfsdiff.metrics.error import psnr
from tfsdiff.metrics.ssim import ssim
from tfsdiff.metrics.windows import PEAK
from tfsdiff.params import DrawnLevels, Sampling, Train
from tfsdiff.params import UNet as UNetParams
from tfsdiff.training.evaluate import highest_psnr, mean_losses, sheet
from tfsdiff.training.loader import check_crop, crop
from tfsdiff.training.log import Log, Recipe
from tfsdiff.training.loop import Objective, Terms

NOISE_LOSSES = {"l2": F.mse_loss, "l1": F.l1_loss}


def fit(
    method: ConditionalMethod,
    train: Examples,
    validation: Examples,
    recipe: Recipe,
    backend: Backend,
    log: Log,
) -> None:
    """Train the network of `method` to draw the images that belong to the conditions."""
    if method.settings.enlargement == "least_squares":
        method.filters = fit_filters(train, method.scale)
    network = initial_unet(
        method.condition_channels,
        recipe.unet,
        *method.gate,
        generator(recipe.seed, "weights"),
        method.ungated_channels,
    )
    unseen = method.pairs(validation).for_network(network.multiple)
    seen = joined(
        method.pairs(some).for_network(network.multiple).compact()
        for some in (train, *train.computed)
    )
    check_crop(recipe.train, network.multiple, tuple(seen.target.shape[-2:]))
    residual = ResidualSize.measure(
        zip(seen.condition, seen.target, strict=True), method.base, 2 * method.scale + 1
    )
    values = recipe.values() | {
        RESIDUAL: asdict(residual) | {"deviations": list(residual.deviations)}
    }
    denoiser = method.denoiser(network, values, backend)
    objective, unseen_objective = (
        DenoisingObjective.of(method, denoiser, pairs, recipe.train, recipe.diffusion.levels)
        for pairs in (seen, unseen)
    )
    trained = run_training(
        method,
        denoiser,
        objective,
        DenoisingEvaluator(unseen_objective, backend, recipe.seed),
        recipe.train,
        [x for pairs in (seen, unseen) for x in (pairs.order, pairs.condition, pairs.target)],
        recipe,
        backend,
        log,
        highest_psnr,
    )
    method.set_network(trained.network, values, backend)


@dataclass(frozen=True)
class DenoisingObjective(Objective):
    """Denoising at random levels, as eqs. 1 to 4 of the paper.

    Attributes:
        pairs: what to learn from, in [-1, 1].
        scale: of the enlargement, see `crop`.
        parametrisation: what the network puts out.
        schedule: noise levels of the diffusion.
        drawn: how they are drawn.
        noise_loss: of the noise objective: l2 in the paper, l1 as released.
        image_loss: of the estimated image, beside it.
        settings: size of the crops, and how to augment.
    """

    pairs: ConditionalPairs
    scale: int
    parametrisation: Parametrisation
    schedule: Schedule
    drawn: DrawnLevels
    noise_loss: str
    image_loss: ImageLoss | None
    settings: Train

    @classmethod
    def of(
        cls,
        method: ConditionalMethod,
        denoiser: Denoiser,
        pairs: ConditionalPairs,
        settings: Train,
        drawn: DrawnLevels,
    ) -> "DenoisingObjective":
        """What `method` learns from `pairs`, which are in [-1, 1], by `denoiser`."""
        return cls(
            pairs,
            method.scale,
            denoiser.parametrisation,
            denoiser.schedule,
            drawn,
            method.settings.noise_loss,
            method.image_loss(),
            settings,
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the pairs, each as often as it comes in an epoch."""
        return tuple(self.pairs.names[i] for i in self.pairs.order.tolist())

    def draw(self, indices: Tensor, generators: Sequence[torch.Generator]) -> tuple[Tensor, ...]:
        """Random crops at random noise levels, one generator a pair.

        Returns:
            condition (B, C, h, w), x_0 and eps (B, 3, h, w), and g (B,).
        """
        both = (
            torch.cat([self.pairs.condition[i], self.pairs.target[i]])
            for i in self.pairs.order[indices]
        )
        crops = [
            crop(images, self.settings, self.scale, noise)  # the same of condition and target
            for images, noise in zip(both, generators, strict=True)
        ]
        images = torch.stack(crops).float()
        condition, x_0 = images.split([images.shape[1] - CHANNELS, CHANNELS], dim=1)
        deviation = self.parametrisation.residual.overall
        g = torch.cat(
            [self.schedule.draw_levels(1, noise, self.drawn, deviation) for noise in generators]
        )
        eps = torch.stack([torch.randn(x_0.shape[1:], generator=noise) for noise in generators])
        return condition, x_0, eps, g

    def loss(
        self, denoiser: Denoiser, condition: Tensor, x_0: Tensor, eps: Tensor, g: Tensor
    ) -> Terms:
        """Terms of the loss, means over the batch."""
        x_g = q_sample(x_0, eps, g)
        estimate = denoiser(condition, x_g, g)
        target = self.parametrisation.target(x_0, eps, g, condition)
        errors = NOISE_LOSSES[self.noise_loss](estimate.output, target, reduction="none")  # eq. 1
        loss = (errors * self.parametrisation.weight(condition)).mean()
        terms = {"noise": loss}
        if self.image_loss is not None:  # eqs. 2 to 4
            for name, (weight, term) in self.image_loss(estimate, x_0, g).items():
                terms[name] = term
                loss = loss + weight * term
        return terms | {"loss": loss}


@dataclass(frozen=True)
class DenoisingEvaluator:
    """Evaluates a denoiser by its losses on unseen pairs, and by images drawn for some of them.

    Attributes:
        objective: of the validation pairs.
        backend: where the network computes.
        seed: of crops, levels and noise: the same at every call.
    """

    objective: DenoisingObjective
    backend: Backend
    seed: int

    @torch.no_grad()
    def __call__(self, denoiser: Denoiser) -> tuple[dict[str, float], Tensor]:
        """Evaluate `denoiser`.

        Returns:
            Mean loss terms over all pairs, "psnr" in dB and "ssim" of the images drawn; and these
            as a sheet (3, H, W) in [0, 1]: a line each, its conditions, what was drawn, what was
            wanted.
        """
        objective = self.objective
        values = mean_losses(denoiser, objective, objective.settings, self.backend, self.seed)
        images, wanted, condition = self._images(denoiser)
        levels = [(PEAK * x.double()).round() for x in (images, wanted)]
        values |= {"psnr": psnr(*levels).mean().item(), "ssim": ssim(*levels).mean().item()}
        lines = torch.cat([condition, images[:, None], wanted[:, None]], 1)  # (N, columns, 3, H, W)
        return values, sheet(lines)

    def _images(self, denoiser: Denoiser) -> tuple[Tensor, Tensor, Tensor]:
        """Drawn and wanted images (N, 3, H, W) and conditions (N, n, 3, H, W), all in [0, 1]."""
        settings, pairs = self.objective.settings, self.objective.pairs
        shown = evenly(range(len(pairs)), settings.validation_images)
        how = Sampling(
            sampler="ddim",
            evaluations=settings.validation_evaluations,
            spacing="time",
            temperature=1.0,
            batch=1,
        )
        drawn = [
            denoiser.draw(condition[None], [generator(self.seed, "draw", i)], how).cpu()
            for i, condition in enumerate(pairs.condition[shown])
        ]
        condition = pairs.condition[shown].unflatten(1, (-1, CHANNELS))
        images = (torch.cat(drawn), pairs.target[shown], condition)
        return tuple(((x + 1) / 2).clamp(0, 1) for x in images)


def initial_unet(
    condition_channels: int,
    settings: UNetParams,
    gate: Gate,
    ratio: int,
    generator: torch.Generator,
    ungated: int = 0,
) -> ConditionalUNet:
    """Make a network on the CPU, in evaluation mode.

    All weights are drawn from `generator`. With Kaiming initialisation the last convolution starts
    at zero: the first prediction is then zero, where it would otherwise be noise of the size of the
    image and more. With `kaiming_zero` the last convolution of each residual unit does so too.
    """
    # Built without memory first: torch's own initialisation would draw from its global generator.
    with torch.device("meta"):
        network = ConditionalUNet(condition_channels, settings, gate, ratio, ungated).eval()
    rule = settings.initialisation
    initialise(
        network.to_empty(device="cpu"),
        "orthogonal" if rule == "orthogonal" else "kaiming",
        generator,
    )
    if rule != "orthogonal":
        nn.init.zeros_(network.final_conv.block[-1].weight)
    if rule == "kaiming_zero":
        for module in network.modules():
            if isinstance(module, ResidualBlock):
                nn.init.zeros_(module.block2.block[-1].weight)
    return network


def initialise(
    network: nn.Module, rule: Literal["kaiming", "orthogonal"], generator: torch.Generator
) -> None:
    """Set all weights of `network`, in place.

    `kaiming` is He's normal rule (fan in); `orthogonal` that of the released SR3 and TFS-Diff.
    Biases start at zero, normalisations at the identity.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            if rule == "orthogonal":
                nn.init.orthogonal_(module.weight, generator=generator)
            else:
                nn.init.kaiming_normal_(module.weight, generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.GroupNorm):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)
