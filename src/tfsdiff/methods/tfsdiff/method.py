"""TFS-Diff: fuses three low-resolution sources and enlarges the result, by one diffusion.

Against SR3: the condition is the stack of all three enlarged sources, the TMFA gate weighs its
channels, and L_PSF joins the noise objective. The target is the fused ground truth.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from tfsdiff.common.errors import InputError
from tfsdiff.core.backend import Backend
from tfsdiff.core.tensors import CHANNELS, SOURCES, Batch
from tfsdiff.diffusion.denoiser import Base, Parametrisation
from tfsdiff.methods.base import Enlarger, Examples, JointMethod
from tfsdiff.methods.conditional import method, released
from tfsdiff.methods.conditional.method import ConditionalMethod, ConditionalPairs, ImageLoss
from tfsdiff.methods.conditional.network import Gate
from tfsdiff.methods.least_squares.method import LeastSquares
from tfsdiff.methods.sr3.method import SR3
from tfsdiff.methods.tfsdiff.guide import Guide
from tfsdiff.methods.tfsdiff.psf import PSF, Levels, ReleasedPSF
from tfsdiff.params import Count, Sampling, Section, validate

Weight = Annotated[float, Field(ge=0)]

GUIDES: dict[str, type[Enlarger]] = {"least_squares": LeastSquares, "sr3": SR3}
GUIDE = "guide."  # prefix of the guide's tensors beside the weights of the network
# One evaluation: the guide wants the mean of the posterior, and has it in the first.
GUIDE_SAMPLING = Sampling(
    sampler="ddim", evaluations=1, spacing="time", temperature=0.0, batch=SOURCES
)


class Settings(method.Settings):
    """What the paper ablates, and what was asked since."""

    # first guess, to which the predictions `residual` and `preconditioned` are added: of the
    # luminances of the sources; a guide has one of its own
    base: Literal["maximum", "mean"]
    # null: the sources as `enlargement` says, as in the paper; else the method that enlarges them,
    # with the fusion of the enlarged sources by BitonicX as first guess and as further condition
    guide: Literal["least_squares", "sr3"] | None
    tmfa: Gate  # sources: the paper; all: as released; none: ablated
    tmfa_ratio: Count  # channels to hidden units of the gate
    psf: Literal["estimate", "released"]  # L_PSF of the estimated image (paper), or as released
    psf_weight: Weight  # of L_PSF beside the noise objective; 0: ablated
    psf_mse: Weight  # lambda_1
    psf_ssim: Weight  # lambda_2
    psf_levels: Levels  # signal: weighted by alpha_bar; uniform: the paper


class TFSDiff(ConditionalMethod, JointMethod):
    """Joint fusion and super-resolution."""

    Settings: ClassVar[type[Section]] = Settings
    name = "tfsdiff"
    family = released.Family(
        "tfsdiff",
        SOURCES * CHANNELS,
        released.LEARNING
        | {
            "base": "maximum",  # of no effect on eps
            "guide": None,
            "tmfa": "all",
            "tmfa_ratio": 4,
            "psf": "released",
            "psf_weight": 1.0,
            "psf_mse": 0.0,
            "psf_ssim": 1.0,
            "psf_levels": "uniform",
        },
    )

    settings: Settings
    guide: Guide | None = None

    @property
    def condition_channels(self) -> int:
        """Channels of the sources, and of the first guess of a guide."""
        return SOURCES * CHANNELS + self.ungated_channels

    @property
    def ungated_channels(self) -> int:
        """Channels of the first guess of a guide."""
        return CHANNELS if self.settings.guide else 0

    @property
    def gate(self) -> tuple[Gate, int]:
        """What TMFA acts on, and how far it squeezes."""
        return self.settings.tmfa, self.settings.tmfa_ratio

    @property
    def base(self) -> Base:
        """What a residual is added to."""
        return "last" if self.settings.guide else self.settings.base

    def parametrisation(self, recipe: Mapping[str, Any]) -> Parametrisation:
        """What the network puts out.

        Raises:
            InputError: settings that do not go together.
        """
        made = super().parametrisation(recipe)
        if self.settings.psf == "released" and made.kind != "eps":
            raise InputError(
                "psf: the released term is of the predicted noise; set prediction to eps"
            )
        return made

    def image_loss(self) -> ImageLoss | None:
        """L_PSF at its weight, or nothing where that is zero."""
        s = self.settings
        mse, ssim = s.psf_weight * s.psf_mse, s.psf_weight * s.psf_ssim
        if s.psf == "released":
            return ReleasedPSF(ssim) if ssim else None
        # Noise levels mean nothing to a regression: all images weigh alike.
        levels = "uniform" if s.process == "regression" else s.psf_levels
        return PSF(mse, ssim, levels) if mse or ssim else None

    def pairs(self, examples: Examples) -> ConditionalPairs:
        """The conditions (N, 9, H, W) or (N, 12, H, W), and the fused truth (N, 3, H, W).

        Raises:
            ValueError: the method is guided, and the examples are not.
        """
        high = examples.high
        if self.settings.guide is None:
            condition = self.enlarged(examples.low.sources).flatten(1, 2)
        elif examples.guided is None:
            raise ValueError(f"{self.name} is guided, and needs examples that its guide enlarged")
        else:
            condition = _guided(examples.guided)
        return ConditionalPairs(high.groups, condition, high.truth, examples.repeats)

    def fuse(self, batch: Batch, generators: Sequence[torch.Generator]) -> Tensor:
        """Fuse low-resolution `batch.sources` to (B, 3, h * scale, w * scale) in [0, 1]."""
        if self.settings.guide is None:
            return self.draw(self.enlarged(batch.sources).flatten(1, 2), generators)
        if self.guide is None:
            raise ValueError(f"{self.name} needs its guide, by a training or `restore`")
        return self.draw(_guided(self.guide(batch, generators)), generators)

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Weights and recipe, of the guide too."""
        tensors, values = super().state()
        if self.guide is not None:
            own, recipe = self.guide.enlarger.state()
            tensors |= {GUIDE + key: tensor for key, tensor in own.items()}
            settings = self.guide.enlarger.settings.model_dump(mode="json")
            values = values | {"guide": {"settings": settings, "recipe": recipe}}
        return tensors, values

    def restore(self, tensors: dict[str, Tensor], values: dict[str, Any], backend: Backend) -> None:
        """Take back what `state` gave.

        Raises:
            InputError: names or shapes are not those of the network or of its guide.
        """
        if self.settings.guide is not None:
            kind, stored = GUIDES[self.settings.guide], values.get("guide") or {}
            settings = validate(stored.get("settings") or {}, kind.Settings, "guide")
            enlarger = kind(settings, self.scale, GUIDE_SAMPLING)
            own = {k.removeprefix(GUIDE): x for k, x in tensors.items() if k.startswith(GUIDE)}
            enlarger.restore(own, stored.get("recipe") or {}, backend)
            self.guide = Guide.of(enlarger)
            tensors = {key: x for key, x in tensors.items() if not key.startswith(GUIDE)}
        super().restore(tensors, values, backend)


def _guided(batch: Batch) -> Tensor:
    """Condition (B, 12, H, W) of what a guide made: enlarged sources, and the first guess last."""
    return torch.cat([batch.sources.flatten(1, 2), batch.truth], 1)
