"""Diffusion of an image beside a condition: what SR3 and TFS-Diff share."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial

import torch
from torch import Tensor, nn

from tfsdiff.diffusion import process, schedule
from tfsdiff.diffusion.sample import SAMPLERS
from tfsdiff.errors import InputError
from tfsdiff.nets.conditional import IMAGE_CHANNELS, ConditionalUNet, Gate, new_network
from tfsdiff.nets.unet import multiple
from tfsdiff.params import Diffusion, Sampling, UNet
from tfsdiff.seeding import generator
from tfsdiff.tensors import luminance
from tfsdiff.training.checkpoint import Checkpoint, fingerprint
from tfsdiff.training.loop import Job, train
from tfsdiff.training.losses import noise_objective, psf_terms
from tfsdiff.training.pairs import Pairs, check_crop, pad_to_multiple
from tfsdiff.training.recipe import Log, Recipe


@dataclass(frozen=True)
class Design:
    """Where conditional diffusions differ.

    Attributes:
        condition_channels: 3 for SR3, 9 for TFS-Diff.
        gate, gate_ratio: what TMFA acts on, and how far it squeezes.
        psf_mse, psf_ssim: weights of the terms of L_PSF beside the noise objective; 0 leaves out.
    """

    condition_channels: int
    gate: Gate
    gate_ratio: int
    psf_mse: float
    psf_ssim: float


class ConditionalDiffusion:
    """A network that draws an image in [0, 1] given a condition in [0, 1] of the same size."""

    def __init__(self, design: Design, unet: UNet, diffusion: Diffusion, seed: int) -> None:
        self.design = design
        self.unet = unet
        self.diffusion = diffusion
        self.schedule = schedule.make(diffusion)
        self.network: ConditionalUNet = new_network(
            design.condition_channels,
            unet,
            design.gate,
            design.gate_ratio,
            generator(seed, "weights"),
        )

    def fit(
        self,
        title: str,
        train_pairs: tuple[Tensor, Tensor],
        validation_pairs: tuple[Tensor, Tensor],
        grid: int,
        recipe: Recipe,
        device: torch.device,
        log: Log,
    ) -> None:
        """Learn to draw targets from conditions, (condition, target) each in [0, 1]."""
        check_crop(recipe.train, multiple(self.unet))
        examples, unseen = (self._pairs(*p, grid) for p in (train_pairs, validation_pairs))
        identity = [asdict(self.design), recipe.values(), title]
        tensors = [examples.condition, examples.target, unseen.condition, unseen.target]
        job = Job(
            title,
            self.network.to(device, memory_format=torch.channels_last),
            partial(self._objective, examples, recipe),
            len(examples),
            partial(self._validate, unseen, recipe),
            recipe.train,
            recipe.seed,
            Checkpoint(recipe.checkpoints, fingerprint(identity, tensors)),
            log,
        )
        self.network = train(job)

    def _pairs(self, condition: Tensor, target: Tensor, grid: int) -> Pairs:
        step = multiple(self.unet)
        return Pairs(*(pad_to_multiple(2 * x - 1, step) for x in (condition, target)), grid)

    def _objective(
        self,
        pairs: Pairs,
        recipe: Recipe,
        network: nn.Module,
        indices: Tensor,
        noise: torch.Generator,
    ) -> dict[str, Tensor]:
        """Noise objective and L_PSF on random crops at random noise levels."""
        condition, x_0 = pairs.draw(indices, recipe.train, noise)
        g = self.schedule.draw_levels(len(indices), noise)
        eps = torch.randn(x_0.shape, generator=noise)
        device = next(network.parameters()).device
        return self._terms(network, *(x.to(device) for x in (condition, x_0, eps, g)))

    def _terms(
        self, network: nn.Module, condition: Tensor, x_0: Tensor, eps: Tensor, g: Tensor
    ) -> dict[str, Tensor]:
        kind, design = self.diffusion.prediction, self.design
        x_g, base = process.q_sample(x_0, eps, g), first_guess(condition)
        prediction = network(condition, x_g, g)
        loss = noise_objective(prediction, process.target(kind, x_0, eps, g, base))
        terms = {"noise": loss}
        if design.psf_mse or design.psf_ssim:
            psf = psf_terms(process.to_x0(kind, prediction, x_g, g, base), x_0, g)
            loss = loss + design.psf_mse * psf["mse"] + design.psf_ssim * psf["ssim"]
            terms |= {f"psf_{name}": value for name, value in psf.items()}
        return terms | {"loss": loss}

    @torch.no_grad()
    def _validate(self, pairs: Pairs, recipe: Recipe, network: nn.Module) -> dict[str, float]:
        """Mean loss terms over all pairs; the same crops, levels and noise at every call."""
        sums: dict[str, float] = {}
        for part in torch.arange(len(pairs)).split(recipe.train.batch):
            noise = generator(recipe.seed, "validation", int(part[0]))
            for name, value in self._objective(pairs, recipe, network, part, noise).items():
                sums[name] = sums.get(name, 0.0) + value.item() * len(part)
        return {name: total / len(pairs) for name, total in sums.items()}

    def sample(
        self, condition: Tensor, generators: Sequence[torch.Generator], sampling: Sampling
    ) -> Tensor:
        """Draw an image for each condition.

        Args:
            condition: (B, condition_channels, H, W) in [0, 1], any H and W.
            generators: one an image.
            sampling: sampler, number of evaluations, images at a time.

        Returns:
            (B, 3, H, W) in [0, 1], on the device of `condition`.

        Raises:
            InputError: more evaluations are asked for than the diffusion has steps.
        """
        if sampling.steps > self.schedule.steps:
            raise InputError(
                f"sampling.steps: {sampling.steps} is more than the {self.schedule.steps} steps of "
                "the diffusion; lower it"
            )
        if len(generators) != len(condition):
            raise ValueError(f"{len(generators)} generators for {len(condition)} images")
        size = sampling.batch
        starts = range(0, len(condition), size)
        parts = [
            self._sample(condition[i : i + size], generators[i : i + size], sampling)
            for i in starts
        ]
        return torch.cat(parts) if parts else condition[:, :IMAGE_CHANNELS]

    @torch.inference_mode()
    def _sample(
        self, condition: Tensor, generators: Sequence[torch.Generator], sampling: Sampling
    ) -> Tensor:
        height, width = condition.shape[-2:]
        device = next(self.network.parameters()).device
        padded = pad_to_multiple(2 * condition.to(device) - 1, multiple(self.unet))
        padded = padded.contiguous(memory_format=torch.channels_last)
        base = first_guess(padded)

        def denoise(x_g: Tensor, level: float) -> Tensor:
            g = torch.full((len(x_g),), level, dtype=torch.float64, device=device)
            prediction = self.network(padded, x_g, g)
            return process.to_x0(self.diffusion.prediction, prediction, x_g, g, base)

        shape = (IMAGE_CHANNELS, *padded.shape[-2:])
        levels = self.schedule.subsequence(sampling.steps)
        x = SAMPLERS[sampling.sampler](denoise, shape, levels, generators, device)
        return ((x[..., :height, :width] + 1) / 2).clamp(0, 1).to(condition.device)

    def state(self) -> dict[str, Tensor]:
        """Weights in the released layout, below `denoise_fn.`."""
        return {k: v.contiguous().cpu() for k, v in self.network.state_dict().items()}

    def restore(self, tensors: dict[str, Tensor], device: torch.device) -> None:
        """Take weights as `state` gives them.

        Raises:
            InputError: names or shapes are not those of this network.
        """
        try:
            self.network.load_state_dict(tensors)
        except RuntimeError as error:
            first = " ".join(str(error).split())[:200]
            raise InputError(f"weights do not fit their parameters: {first}") from None
        self.network.eval().to(device, memory_format=torch.channels_last)


def first_guess(condition: Tensor) -> Tensor:
    """Brightest luminance of the stacked images in the colour of the last, the functional one.

    What the prediction `residual` is added to; a single image is its own first guess.

    Args:
        condition: (B, 3 n, H, W) in [-1, 1].

    Returns:
        (B, 3, H, W) in [-1, 1].
    """
    images = condition.unflatten(1, (-1, IMAGE_CHANNELS))
    light = luminance(images)  # (B, n, 1, H, W)
    return (images[:, -1] + light.amax(1) - light[:, -1]).clamp(-1, 1)
