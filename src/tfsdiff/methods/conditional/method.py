"""A method that draws its images by a conditional diffusion: what SR3 and TFS-Diff share."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from tfsdiff.common.errors import InputError
from tfsdiff.core.backend import Backend
from tfsdiff.data.least_squares import Filters
from tfsdiff.data.resample import enlarge, enlarge_as_pillow
from tfsdiff.diffusion import schedule
from tfsdiff.diffusion.denoiser import (
    DENOISERS,
    Base,
    Denoiser,
    Estimate,
    Parametrisation,
    Process,
    ResidualSize,
)
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
    # of the images in the condition: pillow, bicubic in 8 bits as released; least_squares, by
    # filters fitted to the training images
    enlargement: Literal["bicubic", "pillow", "least_squares"]


REGRESSIONS = ("x0", "residual", "preconditioned")  # predictions that a regression can make
FILTERS = "enlargement.filters"  # key of the fitted filters beside the weights of the network
RESIDUAL = "residual"  # key of the size of the residual in the recipe


@dataclass(frozen=True)
class ConditionalPairs:
    """Conditions, and the images that are to be drawn for them.

    Attributes:
        names: what to call the pairs in errors.
        condition: (N, C, H, W).
        target: (N, 3, H, W).
        repeats: how often each pair comes in an epoch; empty: once.
    """

    names: tuple[str, ...]
    condition: Tensor
    target: Tensor
    repeats: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        same = len(self.names) == len(self.condition) == len(self.target)
        same = same and len(self.repeats) in (0, len(self.names))
        if not same or self.condition.shape[-2:] != self.target.shape[-2:]:
            shapes = f"{tuple(self.condition.shape)} and {tuple(self.target.shape)}"
            raise ValueError(f"names, conditions and targets do not fit: {shapes}")

    def __len__(self) -> int:
        return len(self.target)

    @cached_property
    def order(self) -> Tensor:
        """Indices of the pairs, each as often as it comes in an epoch."""
        indices = torch.arange(len(self))
        return indices.repeat_interleave(torch.tensor(self.repeats)) if self.repeats else indices

    def for_network(self, multiple: int) -> "ConditionalPairs":
        """The same from [0, 1] to [-1, 1], padded to sides that are multiples of `multiple`."""
        padded = (pad_to_multiple(2 * x - 1, multiple) for x in (self.condition, self.target))
        return replace(self, **dict(zip(("condition", "target"), padded, strict=True)))

    def compact(self) -> "ConditionalPairs":
        """The same in half precision, 1/16 of an 8-bit level, for thousands of groups."""
        return replace(self, condition=self.condition.half(), target=self.target.half())


def joined(parts: Iterable[ConditionalPairs]) -> ConditionalPairs:
    """Several sets of pairs as one; those of a set without repeats come once."""
    parts = list(parts)
    return ConditionalPairs(
        tuple(name for part in parts for name in part.names),
        torch.cat([part.condition for part in parts]),
        torch.cat([part.target for part in parts]),
        tuple(count for part in parts for count in part.repeats or (1,) * len(part)),
    )


class ConditionalMethod(LearnedMethod):
    """A method that draws its images by a conditional diffusion.

    Attributes:
        family: the released checkpoints that it can import.
        condition_channels: of the network's input, beside the noisy image.
        ungated_channels: at the end of the condition, which no gate weighs.
        filters: of the enlargement `least_squares`, once fitted.
    """

    importable = True
    sampled = True
    family: ClassVar[released.Family]
    condition_channels: ClassVar[int]
    ungated_channels: ClassVar[int] = 0

    settings: Settings
    filters: Filters | None = None

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
        """What a residual is added to; of a single image, the image."""
        return "maximum"

    def enlarged(self, images: Tensor) -> Tensor:
        """Enlarge the images of a condition: (..., h, w) to (..., h * scale, w * scale)."""
        if self.settings.enlargement == "bicubic":
            return enlarge(images, self.scale)
        if self.settings.enlargement == "pillow":
            return enlarge_as_pillow(images, self.scale)
        if self.filters is None:
            raise ValueError(f"{self.name} needs the filters of its enlargement, by a training")
        return self.filters.enlarge(images)

    def pairs(self, examples: Examples) -> ConditionalPairs:
        """What is to be drawn for which condition, in [0, 1]."""
        raise NotImplementedError

    def image_loss(self) -> ImageLoss | None:
        """What joins the noise objective in a training."""
        return None

    def parametrisation(self, recipe: Mapping[str, Any]) -> Parametrisation:
        """What the network puts out.

        Raises:
            InputError: settings that do not go together, or a recipe without what they need.
        """
        diffusion = validate(recipe.get("diffusion"), Diffusion, "diffusion")
        kind = self.settings.prediction or diffusion.prediction
        if self.settings.process == "regression" and kind not in REGRESSIONS:
            raise InputError(
                f"prediction: {kind} means nothing without noise; let a regression predict "
                f"{', '.join(REGRESSIONS)}"
            )
        found = recipe.get(RESIDUAL)
        if found is None and kind == "preconditioned":
            raise InputError(f"{RESIDUAL}: missing, how large the residual is; train again")
        return Parametrisation(kind, self.base, ResidualSize(**found) if found else ResidualSize())

    def new_network(self, recipe: Mapping[str, Any]) -> ConditionalUNet:
        """The network that settings and recipe describe; keys of weights are the released ones."""
        unet = validate(recipe.get("unet"), UNet, "unet")
        return ConditionalUNet(self.condition_channels, unet, *self.gate, self.ungated_channels)

    def denoiser(self, network: nn.Module, recipe: Mapping[str, Any], backend: Backend) -> Denoiser:
        """`network` and what it puts out, as an estimate of x_0."""
        diffusion = validate(recipe.get("diffusion"), Diffusion, "diffusion")
        kind = DENOISERS[self.settings.process]
        return kind(network, self.parametrisation(recipe), schedule.make(diffusion), backend)

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Weights of the network, filters of the enlargement where it has some, and the recipe."""
        tensors, values = super().state()
        if self.filters is not None:
            tensors[FILTERS] = self.filters.weights
        return tensors, values

    def restore(self, tensors: dict[str, Tensor], values: dict[str, Any], backend: Backend) -> None:
        """Take back what `state` gave.

        Raises:
            InputError: names or shapes are not those of the network, or filters are missing.
        """
        tensors = dict(tensors)
        if self.settings.enlargement == "least_squares":
            if FILTERS not in tensors:
                raise InputError(f"lacks {FILTERS}, the filters of its enlargement; train again")
            self.filters = Filters(self.scale, tensors.pop(FILTERS))
        super().restore(tensors, values, backend)

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
