"""Diffusion of an image beside a condition: what SR3 and TFS-Diff share."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn

from tfsdiff.common.errors import InputError
from tfsdiff.core.backend import Backend
from tfsdiff.core.seeding import generator
from tfsdiff.diffusion import parametrisation, schedule
from tfsdiff.diffusion.padding import pad_to_multiple
from tfsdiff.diffusion.samplers import SAMPLERS
from tfsdiff.methods.conditional.evaluator import Validation
from tfsdiff.methods.conditional.network import (
    IMAGE_CHANNELS,
    ConditionalUNet,
    Gate,
    network_without_weights,
    new_network,
)
from tfsdiff.methods.conditional.objective import (
    ConditionalExamples,
    Denoising,
    Goal,
    first_guess,
)
from tfsdiff.methods.conditional.unet import multiple
from tfsdiff.params import Diffusion, Sampling, UNet
from tfsdiff.training.checkpoint import Checkpoint, fingerprint
from tfsdiff.training.loader import check_crop
from tfsdiff.training.log import Log, Recipe
from tfsdiff.training.loop import Training, train


@dataclass(frozen=True)
class Design:
    """Where conditional diffusions differ.

    Attributes:
        condition_channels: 3 for SR3, 9 for TFS-Diff.
        gate, gate_ratio: what TMFA acts on, and how far it squeezes.
        goal: what the network predicts, and by what it is judged.
    """

    condition_channels: int
    gate: Gate
    gate_ratio: int
    goal: Goal


@dataclass(frozen=True)
class Stack:
    """Conditions (N, C, H, W) and targets (N, 3, H, W) in [0, 1], and the names of the N."""

    names: tuple[str, ...]
    condition: Tensor
    target: Tensor


class ConditionalDiffusion:
    """A network that draws an image in [0, 1] given a condition in [0, 1] of the same size.

    Its first weights are drawn by `seed`; without one it has no weights until `restore`.
    """

    def __init__(
        self, design: Design, unet: UNet, diffusion: Diffusion, seed: int | None = None
    ) -> None:
        self.design = design
        self.unet = unet
        self.schedule = schedule.make(diffusion)
        self.backend: Backend | None = None  # until weights are placed somewhere
        shape = design.condition_channels, unet, design.gate, design.gate_ratio
        self.network: ConditionalUNet = (
            network_without_weights(*shape)
            if seed is None
            else new_network(*shape, generator(seed, "weights"))
        )

    def fit(
        self,
        title: str,
        examples: Stack,
        unseen: Stack,
        scale: int,
        recipe: Recipe,
        backend: Backend,
        log: Log,
    ) -> None:
        """Learn to draw the targets of `examples`; judged on `unseen` at validation steps."""
        parts = [self._examples(stack, scale) for stack in (examples, unseen)]
        check_crop(recipe.train, multiple(self.unet), parts[0].pixels)
        goal = self.design.goal
        task, exam = (Denoising(x, goal, self.schedule, recipe.train, backend) for x in parts)
        identity = [asdict(self.design), recipe.values(), title]
        tensors = [x for part in parts for x in (part.condition, part.target)]
        self.backend = backend
        training = Training(
            title,
            backend.place(self.network),
            task,
            Validation(exam, self._draw, recipe.seed),
            recipe.train,
            recipe.seed,
            Checkpoint(recipe.checkpoints, fingerprint(identity, tensors)),
            log,
            backend,
        )
        self.network = train(training)

    def _examples(self, stack: Stack, scale: int) -> ConditionalExamples:
        step = multiple(self.unet)
        padded = (pad_to_multiple(2 * x - 1, step) for x in (stack.condition, stack.target))
        return ConditionalExamples(stack.names, *padded, scale)

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
            InputError: more evaluations are asked for than the diffusion has noise levels.
        """
        if sampling.evaluations > self.schedule.T:
            raise InputError(
                f"sampling.evaluations: {sampling.evaluations} is more than the {self.schedule.T} "
                "noise levels of the diffusion; lower it"
            )
        if len(generators) != len(condition):
            raise ValueError(f"{len(generators)} generators for {len(condition)} images")
        height, width = condition.shape[-2:]
        parts = []
        for i in range(0, len(condition), sampling.batch):
            padded = pad_to_multiple(2 * condition[i : i + sampling.batch] - 1, multiple(self.unet))
            noise = generators[i : i + sampling.batch]
            x = self._draw(self.network, padded, noise, sampling)[..., :height, :width]
            parts.append(((x + 1) / 2).to(condition.device))
        return torch.cat(parts) if parts else condition[:, :IMAGE_CHANNELS]

    @torch.inference_mode()
    def _draw(
        self,
        network: nn.Module,
        condition: Tensor,
        generators: Sequence[torch.Generator],
        sampling: Sampling,
    ) -> Tensor:
        """Draw with `network`: condition and result in [-1, 1], sides as the U-Net needs them."""
        backend, goal = self.backend, self.design.goal
        condition = condition.to(backend.device).contiguous(memory_format=torch.channels_last)
        base = first_guess(condition, goal.base)

        def denoise(x_g: Tensor, level: float) -> Tensor:
            g = torch.full((len(x_g),), level, dtype=torch.float64, device=backend.device)
            with backend.autocast():
                prediction = network(condition, x_g, g)
            return parametrisation.to_x0(goal.prediction, prediction.float(), x_g, g, base)

        shape = (IMAGE_CHANNELS, *condition.shape[-2:])
        if goal.process == "regression":
            nothing = condition.new_zeros(len(condition), *shape)
            return denoise(nothing, float(self.schedule.alpha_bar[-1].sqrt()))
        levels = self.schedule.subsequence(sampling.evaluations, sampling.spacing)
        x = SAMPLERS[sampling.sampler](denoise, shape, levels, generators, backend.device)
        return x.clamp(-1, 1)

    def state(self) -> dict[str, Tensor]:
        """Weights in the released layout, below `denoise_fn.`."""
        return {k: v.contiguous().cpu() for k, v in self.network.state_dict().items()}

    def restore(self, tensors: dict[str, Tensor], backend: Backend) -> None:
        """Take weights as `state` gives them.

        Raises:
            InputError: names or shapes are not those of this network.
        """
        self.network.to_empty(device=backend.device)
        try:
            self.network.load_state_dict(tensors)
        except RuntimeError as error:
            first = " ".join(str(error).split())[:200]
            raise InputError(f"weights do not fit their parameters: {first}") from None
        self.backend = backend
        backend.compile(backend.place(self.network.eval()))
