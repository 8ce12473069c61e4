"""A method that draws its images by a conditional diffusion: what SR3 and TFS-Diff share."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from tfsdiff.common.errors import InputError
from tfsdiff.core.backend import Backend
from tfsdiff.diffusion import schedule
from tfsdiff.diffusion.denoiser import DENOISERS, Base, Denoiser, Estimate, Parametrisation, Process
from tfsdiff.diffusion.padding import pad_to_multiple
from tfsdiff.methods.base import Examples, Imported
from tfsdiff.methods.conditional import released
from tfsdiff.methods.conditional.network import ConditionalUNet, Gate
from tfsdiff.methods.learned import LearnedMethod
from tfsdiff.params import Diffusion, Prediction, Section, UNet, validate

# Of an estimate, the true image in [-1, 1] and the noise levels (B,): weights and terms, by name.
ImageLoss = Callable[[Estimate, Tensor, Tensor], dict[str, tuple[float, Tensor]]]


class Settings(Section):
    """What the network learns; each choice is a row of the ablations."""

    process: Process  # regression: the image in one evaluation, without diffusion
    prediction: Prediction | None  # null: that of the section diffusion
    noise_loss: Literal["l2", "l1"]  # l2: the paper; l1: as released


@dataclass(frozen=True)
class ConditionalPairs:
    """Conditions, and the images that are to be drawn for them.

    Attributes:
        names: what to call the pairs in errors.
        condition: (N, C, H, W).
        target: (N, 3, H, W).
    """

    names: tuple[str, ...]
    condition: Tensor
    target: Tensor

    def __post_init__(self) -> None:
        same = len(self.names) == len(self.condition) == len(self.target)
        if not same or self.condition.shape[-2:] != self.target.shape[-2:]:
            shapes = f"{tuple(self.condition.shape)} and {tuple(self.target.shape)}"
            raise ValueError(f"names, conditions and targets do not fit: {shapes}")

    def __len__(self) -> int:
        return len(self.target)

    def for_network(self, multiple: int) -> "ConditionalPairs":
        """The same from [0, 1] to [-1, 1], padded to sides that are multiples of `multiple`."""
        padded = (pad_to_multiple(2 * x - 1, multiple) for x in (self.condition, self.target))
        return ConditionalPairs(self.names, *padded)


class ConditionalMethod(LearnedMethod):
    """A method that draws its images by a conditional diffusion.

    Attributes:
        family: the released checkpoints that it can import.
        condition_channels: of the network's input, beside the noisy image.
    """

    importable = True
    sampled = True
    family: ClassVar[released.Family]
    condition_channels: ClassVar[int]

    settings: Settings

    @classmethod
    def import_released(cls, checkpoint: Path, groups: int | None) -> Imported:
        """Read a checkpoint in the layout that `tfsdiff.methods.conditional.released` knows."""
        return released.read(checkpoint, cls.family, groups)

    @property
    def gate(self) -> tuple[Gate, int]:
        """What the gate acts on, and how far it squeezes."""
        return "none", 1

    @property
    def base(self) -> Base:
        """What the prediction `residual` is added to; of a single image, the image."""
        return "maximum"

    def pairs(self, examples: Examples) -> ConditionalPairs:
        """What is to be drawn for which condition, in [0, 1]."""
        raise NotImplementedError

    def image_loss(self) -> ImageLoss | None:
        """What joins the noise objective in a training."""
        return None

    def parametrisation(self, diffusion: Diffusion) -> Parametrisation:
        """What the network puts out.

        Raises:
            InputError: settings that do not go together.
        """
        kind = self.settings.prediction or diffusion.prediction
        if self.settings.process == "regression" and kind not in ("x0", "residual"):
            raise InputError(
                f"prediction: {kind} means nothing without noise; let a regression predict x0 or "
                "residual"
            )
        return Parametrisation(kind, self.base)

    def new_network(self, recipe: Mapping[str, Any]) -> ConditionalUNet:
        """The network that settings and recipe describe; keys of weights are the released ones."""
        unet = validate(recipe.get("unet"), UNet, "unet")
        return ConditionalUNet(self.condition_channels, unet, *self.gate)

    def denoiser(self, network: nn.Module, recipe: Mapping[str, Any], backend: Backend) -> Denoiser:
        """`network` and what it puts out, as an estimate of x_0."""
        diffusion = validate(recipe.get("diffusion"), Diffusion, "diffusion")
        kind = DENOISERS[self.settings.process]
        return kind(network, self.parametrisation(diffusion), schedule.make(diffusion), backend)

    def set_network(self, network: nn.Module, recipe: Mapping[str, Any], backend: Backend) -> None:
        """Draw by `network`, which lies on the device of `backend`, from now on."""
        super().set_network(network, recipe, backend)
        self._denoiser = self.denoiser(network, recipe, backend)

    def draw(self, condition: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
        """Draw an image (B, 3, H, W) in [0, 1] for each condition (B, C, H, W) in [0, 1]."""
        self.trained_network()
        if self.sampling is None:
            raise ValueError(f"{self.name} needs `sampling` before it can draw")
        return self._denoiser.sample(condition, generators, self.sampling)
