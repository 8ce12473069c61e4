"""Where the numbers of a training go, and the recipe that it follows."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor

from tfsdiff.params import Diffusion, Train, UNet


class Log(Protocol):
    """Takes the numbers and pictures of a training as they arise."""

    def values(self, step: int, values: dict[str, float]) -> None:
        """Note `values` after training step `step`; at every resumption all of them come again."""

    def samples(self, images: Tensor) -> None:
        """Take the sheet (3, H, W) in [0, 1] of validation images, in place of the last one."""

    def speed(self, step: int, images_per_second: float) -> None:
        """Note how fast the steps up to `step` were; differs from run to run."""


class NullLog:
    """A log that keeps nothing."""

    def values(self, step: int, values: dict[str, float]) -> None:
        """Forget `values`."""

    def samples(self, images: Tensor) -> None:
        """Forget `images`."""

    def speed(self, step: int, images_per_second: float) -> None:
        """Forget the speed."""


@dataclass(frozen=True)
class Recipe:
    """How to train: what does not belong to one method alone.

    Attributes:
        seed: seed of initialisation, data order and noise.
        checkpoints: folder for what a killed training resumes from.
        unet, diffusion, train: the sections of these names, for SR3 and TFS-Diff; None where
            methods bring networks and trainings of their own.
    """

    seed: int
    checkpoints: Path
    unet: UNet | None = None
    diffusion: Diffusion | None = None
    train: Train | None = None

    def values(self) -> dict[str, Any]:
        """What determines the weights, as plain values: the sections and the seed."""
        sections = {"unet": self.unet, "diffusion": self.diffusion, "train": self.train}
        values = {
            name: section.model_dump(mode="json")
            for name, section in sections.items()
            if section is not None
        }
        return values | {"seed": self.seed}
