"""Guided TFS-Diff: another method enlarges the sources, and makes a first guess of the image.

Against TFS-Diff: its guide enlarges each source and fuses them by BitonicX, see `guide`; the
network sees both, and its prediction is added to that fusion. It can only be trained where the
guide has been, on groups that the guide has enlarged.
"""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from tfsdiff.common.errors import InputError
from tfsdiff.core.backend import Backend
from tfsdiff.core.tensors import CHANNELS, SOURCES, Batch
from tfsdiff.diffusion.denoiser import Base
from tfsdiff.methods.base import Enlarger, Examples, Method
from tfsdiff.methods.least_squares.method import LeastSquares
from tfsdiff.methods.sr3.method import SR3
from tfsdiff.methods.tfsdiff import method
from tfsdiff.methods.tfsdiff.method import TFSDiff
from tfsdiff.methods.tfsdiff_guided.guide import Guide
from tfsdiff.params import Count, Sampling, Section, validate

GUIDES: dict[str, type[Enlarger]] = {"least_squares": LeastSquares, "sr3": SR3}
GUIDE = (
    "guide"  # prefix of the guide's tensors beside the weights of the network; key of its values
)
# The guide is to give the mean of the posterior, and has it in its first evaluation.
GUIDE_SAMPLING = Sampling(
    sampler="ddim", evaluations=1, spacing="time", temperature=0.0, batch=SOURCES
)


class Settings(method.Settings):
    """Those of TFS-Diff, and the guide."""

    guide: Literal["least_squares", "sr3"]  # what enlarges the sources
    steps: Count | None  # of its own training; null: those of the section train


class GuidedTFSDiff(TFSDiff):
    """Joint fusion and super-resolution from a first guess.

    Attributes:
        guide: by a training, or `restore`.
    """

    Settings: ClassVar[type[Section]] = Settings
    name = "tfsdiff_guided"
    condition_channels = SOURCES * CHANNELS + CHANNELS
    ungated_channels = CHANNELS
    importable = False
    import_released = classmethod(Method.import_released.__func__)  # nothing was released of it

    settings: Settings
    guide: Guide | None = None

    @property
    def base(self) -> Base:
        """What a residual is added to: the first guess, which ends the condition."""
        return "last"

    def guide_by(self, enlarger: Enlarger) -> None:
        """Let `enlarger`, which has weights, enlarge the sources.

        Raises:
            InputError: it is not the method that the settings name.
        """
        if enlarger.name != self.settings.guide:
            raise InputError(f"{self.name} is guided by {self.settings.guide}, not {enlarger.name}")
        self.guide = Guide.of(enlarger.with_sampling(GUIDE_SAMPLING))

    def condition_of(self, examples: Examples) -> Tensor:
        """Enlarged sources and first guess of each group: (N, 12, H, W) in [0, 1]."""
        if examples.guided is None:
            raise ValueError(f"{self.name} needs examples that its guide has enlarged")
        return _condition(examples.guided)

    def fuse(self, batch: Batch, generators: Sequence[torch.Generator]) -> Tensor:
        """Fuse low-resolution `batch.sources` to (B, 3, h * scale, w * scale) in [0, 1]."""
        if self.guide is None:
            raise ValueError(f"{self.name} needs its guide, by a training or `restore`")
        return self.draw(_condition(self.guide(batch, generators)), generators)

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Weights and recipe, of the guide too."""
        tensors, values = super().state()
        own, recipe = self.guide.enlarger.state()
        tensors |= {f"{GUIDE}.{key}": tensor for key, tensor in own.items()}
        settings = self.guide.enlarger.settings.model_dump(mode="json")
        return tensors, values | {GUIDE: {"settings": settings, "recipe": recipe}}

    def restore(self, tensors: dict[str, Tensor], values: dict[str, Any], backend: Backend) -> None:
        """Take back what `state` gave.

        Raises:
            InputError: names or shapes are not those of the network or of its guide.
        """
        kind, stored = GUIDES[self.settings.guide], values.get(GUIDE)
        if not isinstance(stored, dict) or {"settings", "recipe"} - stored.keys():
            raise InputError(f"lacks {GUIDE}, the settings of its guide; train again")
        enlarger = kind(validate(stored["settings"], kind.Settings, GUIDE), self.scale)
        prefix = f"{GUIDE}."
        own = {k.removeprefix(prefix): x for k, x in tensors.items() if k.startswith(prefix)}
        enlarger.restore(own, stored["recipe"], backend)
        self.guide_by(enlarger)
        rest = {key: x for key, x in tensors.items() if not key.startswith(prefix)}
        super().restore(rest, values, backend)


def _condition(batch: Batch) -> Tensor:
    """Condition (B, 12, H, W) of what a guide made: enlarged sources, and the first guess last."""
    return torch.cat([batch.sources.flatten(1, 2), batch.truth], 1)
