"""Learning to fuse pairs of grey images without any ground truth."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tfsdiff.core.backend import Backend
from tfsdiff.params import Train
from tfsdiff.training.evaluate import mean_losses, sheet
from tfsdiff.training.loader import crop, evenly
from tfsdiff.training.objective import Objective, Update


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


class PairObjective(Objective):
    """Objective of a method that learns to fuse pairs of grey images.

    Args:
        pairs: what to learn from.
        settings: size of the crops, and how to augment.
        backend: where the network computes.
    """

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
    def updates(self, step: int) -> Sequence[Update]:
        """The updates that step `step` (0, 1, ...) makes: losses of (network, visible, other)."""


Fuse = Callable[[nn.Module, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class PairEvaluator:
    """Evaluates a network by its losses on pairs that it does not learn from.

    Attributes:
        objective: of these pairs.
        fuse: (network, visible, other) to their fusion, all (B, 1, H, W) in [0, 1].
        seed: of the crops.
    """

    objective: PairObjective
    fuse: Fuse
    seed: int

    @torch.no_grad()
    def __call__(self, network: nn.Module) -> tuple[dict[str, float], Tensor]:
        """Evaluate `network`.

        Returns:
            Terms of the last step's first update, means over all pairs; and a sheet (3, H, W) in
            [0, 1] of some pairs, a line each: visible, other, fused.
        """
        objective = self.objective
        losses = mean_losses(network, objective, objective.settings, objective.backend, self.seed)
        return losses, self._sheet(network)

    def _sheet(self, network: nn.Module) -> Tensor:
        pairs, device = self.objective.pairs, self.objective.backend.device
        lines = []
        for i in evenly(self.objective.settings.validation_images, len(pairs)):
            visible, other = (x[i : i + 1].to(device) for x in (pairs.visible, pairs.other))
            images = visible, other, self.fuse(network, visible, other)
            lines.append([x[0].cpu().clamp(0, 1) for x in images])
        return sheet(lines)
