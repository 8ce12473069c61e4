"""The log of a training, and its recipe: the settings that all methods share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
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


@dataclass
class History:
    """What a training has noted so far, part of its checkpoint.

    Attributes:
        rows: steps and values, one a validation.
        sums: of the loss terms since the last row.
    """

    rows: list[tuple[int, dict[str, float]]] = field(default_factory=list)
    sums: dict[str, float] = field(default_factory=dict)

    @property
    def last_step(self) -> int:
        """Step of the last row, 0 before the first."""
        return self.rows[-1][0] if self.rows else 0

    def add(self, name: str, value: float) -> None:
        """Add a loss term of one step."""
        self.sums[name] = self.sums.get(name, 0.0) + value

    def take_sums(self) -> dict[str, float]:
        """Give the sums, and begin new ones."""
        sums, self.sums = self.sums, {}
        return sums

    def is_best(
        self, numbers: dict[str, float], selection: Callable[[Mapping[str, float]], float]
    ) -> bool:
        """Whether `selection` ranks the numbers of a validation above those of all rows."""
        prefix = "validation_"
        earlier = (
            {k.removeprefix(prefix): x for k, x in row.items() if k.startswith(prefix)}
            for _, row in self.rows
        )
        return all(selection(numbers) > selection(one) for one in earlier)


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
