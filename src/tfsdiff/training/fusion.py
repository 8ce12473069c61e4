"""Learning to fuse pairs of grey images without any ground truth: examples, task and judge."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tfsdiff.core.backend import Backend
from tfsdiff.core.seeding import generator
from tfsdiff.params import Train
from tfsdiff.training.job import Part, Turn
from tfsdiff.training.pairs import crop


@dataclass(frozen=True)
class GreyPairs:
    """Registered pairs of luminances.

    Attributes:
        names: what to call the pairs in errors.
        visible: (N, 1, H, W) in [0, 1]; what methods for infrared and visible light call so: here
            the image of soft tissue, MR-T2 where there is one.
        other: (N, 1, H, W) in [0, 1], CT, another MR, or the luminance of PET or SPECT.
    """

    names: tuple[str, ...]
    visible: Tensor
    other: Tensor

    def __post_init__(self) -> None:
        shape = (len(self.names), 1, *self.visible.shape[-2:])
        if not tuple(self.visible.shape) == tuple(self.other.shape) == shape:
            raise ValueError(
                f"pairs must be {shape}, not {tuple(self.visible.shape)} and "
                f"{tuple(self.other.shape)}"
            )

    def __len__(self) -> int:
        return len(self.names)


class FusionTask(ABC):
    """What the training loop is given by a method that learns to fuse pairs of grey images.

    Args:
        pairs: what to learn from.
        settings: size of the crops, and how to augment.
        backend: where the network computes.
    """

    parts: Sequence[Part] = (Part(),)

    def __init__(self, pairs: GreyPairs, settings: Train, backend: Backend) -> None:
        self.pairs, self.settings, self.backend = pairs, settings, backend

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the pairs."""
        return self.pairs.names

    def draw(self, indices: Tensor, generators: Sequence[torch.Generator]) -> tuple[Tensor, Tensor]:
        """Cut the same random crop from both images: (B, 1, h, w) in [0, 1] twice."""
        crops = [
            self.cut(torch.cat([self.pairs.visible[i], self.pairs.other[i]]), generator)
            for i, generator in zip(indices.tolist(), generators, strict=True)
        ]
        visible, other = torch.stack(crops).split(1, dim=1)
        return visible, other

    def cut(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Cut a random crop (2, h, w) from the images (2, H, W) of a pair."""
        return crop(images, self.settings, 1, generator)

    @abstractmethod
    def turns(self, step: int) -> Sequence[Turn]:
        """The updates that step `step` (0, 1, ...) makes: losses of (network, visible, other)."""


Fuse = Callable[[nn.Module, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class FusionJudge:
    """Judges a network by its losses on pairs that it does not learn from; see `Job.judge`.

    Attributes:
        task: of these pairs.
        fuse: (network, visible, other) to their fusion, all (B, 1, H, W) in [0, 1].
        seed: of the crops.
    """

    task: FusionTask
    fuse: Fuse
    seed: int

    @torch.no_grad()
    def __call__(self, network: nn.Module) -> tuple[dict[str, float], Tensor]:
        """Judge `network`.

        Returns:
            Terms of the last step's first turn, means over all pairs; and some pairs with their
            fusions as a grid (3, H, W) in [0, 1]: a line each, visible, other, fused.
        """
        task, settings = self.task, self.task.settings
        turn = task.turns(settings.steps - 1)[0]
        sums: dict[str, float] = {}
        for part in torch.arange(len(task.pairs)).split(settings.batch):
            noise = [generator(self.seed, "validation", int(i)) for i in part]
            inputs = (x.to(task.backend.device) for x in task.draw(part, noise))
            for name, value in turn.loss(network, *inputs).items():
                sums[name] = sums.get(name, 0.0) + value.item() * len(part)
        return {name: total / len(task.pairs) for name, total in sums.items()}, self._grid(network)

    def _grid(self, network: nn.Module) -> Tensor:
        pairs, count = (
            self.task.pairs,
            min(self.task.settings.validation_images, len(self.task.pairs)),
        )
        lines = []
        for i in ((2 * i + 1) * len(pairs) // (2 * count) for i in range(count)):
            visible, other = (
                x[i : i + 1].to(self.task.backend.device) for x in (pairs.visible, pairs.other)
            )
            images = visible, other, self.fuse(network, visible, other)
            lines.append(torch.cat([x[0].cpu().clamp(0, 1) for x in images], -1))
        return torch.cat(lines, -2).expand(3, -1, -1)
