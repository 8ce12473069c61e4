"""What a training is told: the common recipe, and where its numbers go."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from tfsdiff.params import Diffusion, Train, UNet


class Log(Protocol):
    """Takes the numbers of a training as they arise."""

    def __call__(self, step: int, values: dict[str, float]) -> None:
        """Note `values` of training step `step`."""


@dataclass(frozen=True)
class Recipe:
    """How to train: what is common to all learned members.

    Attributes:
        unet, diffusion, train: the sections of these names.
        seed: seed of initialisation, data order and noise.
        checkpoints: folder for what a killed training resumes from.
    """

    unet: UNet
    diffusion: Diffusion
    train: Train
    seed: int
    checkpoints: Path

    def values(self) -> dict[str, Any]:
        """What determines the weights, as plain values: the sections and the seed."""
        sections = {"unet": self.unet, "diffusion": self.diffusion, "train": self.train}
        values = {name: section.model_dump(mode="json") for name, section in sections.items()}
        return values | {"seed": self.seed}
