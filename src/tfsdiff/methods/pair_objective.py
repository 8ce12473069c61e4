"""Training on pairs of grey images without any ground truth: what CDDFuse and TGFuse share."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tfsdiff.common.sequences import evenly
from tfsdiff.core.backend import Backend
from tfsdiff.core.tensors import luminance
from tfsdiff.methods.base import Examples
from tfsdiff.methods.fitting import run_training
from tfsdiff.methods.pairwise import FeedForwardFuser, LearnedPairSettings, slots
from tfsdiff.training.evaluate import mean_losses, sheet
from tfsdiff.training.loader import crop
from tfsdiff.training.log import Log, Recipe
from tfsdiff.training.loop import Objective, Update


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


def grey_pairs(examples: Examples) -> GreyPairs:
    """All pairs to learn from: three of each group, and the pairs beside the groups.

    Of a group: its anatomical images, and each of them with the functional one.
    """
    batch = examples.high
    visible, other = slots(batch)
    functional = luminance(batch.sources[:, 2]).clamp(0, 1)
    both = [(visible, other), (visible, functional), (other, functional)]
    names = [f"{group} pair {i}" for i in (1, 2, 3) for group in batch.groups]
    if examples.pairs is not None and len(examples.pairs):
        images = luminance(examples.pairs.images).clamp(0, 1)
        both.append((images[:, 0], images[:, 1]))
        names += examples.pairs.names
    return GreyPairs(tuple(names), *(torch.cat(parts) for parts in zip(*both, strict=True)))


class PairObjective(Objective):
    """What a network for pairs of grey images learns.

    Args:
        pairs: what to learn from.
        settings: of the method; `settings.train` says how large the crops are.
        backend: where the network computes.
    """

    def __init__(self, pairs: GreyPairs, settings: LearnedPairSettings, backend: Backend) -> None:
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
        return crop(images, self.settings.train, 1, generator)

    @abstractmethod
    def updates(self, step: int) -> Sequence[Update]:
        """The updates that step `step` (0, 1, ...) makes: losses of (network, visible, other)."""


@dataclass(frozen=True)
class PairEvaluator:
    """Evaluates a network by its losses on pairs that it does not learn from.

    Attributes:
        objective: of these pairs.
        fuse: (network, visible, other) to their fusion, all (B, 1, H, W) in [0, 1].
        seed: of the crops.
    """

    objective: PairObjective
    fuse: Callable[[nn.Module, Tensor, Tensor], Tensor]
    seed: int

    @torch.no_grad()
    def __call__(self, network: nn.Module) -> tuple[dict[str, float], Tensor]:
        """Evaluate `network`.

        Returns:
            Terms of the last step's first update, means over all pairs; and a sheet (3, H, W) in
            [0, 1] of some pairs, a line each: visible, other, fused.
        """
        objective, train = self.objective, self.objective.settings.train
        losses = mean_losses(network, objective, train, objective.backend, self.seed)
        return losses, self._sheet(network)

    def _sheet(self, network: nn.Module) -> Tensor:
        pairs, device = self.objective.pairs, self.objective.backend.device
        lines = []
        for i in evenly(range(len(pairs)), self.objective.settings.train.validation_images):
            visible, other = (x[i : i + 1].to(device) for x in (pairs.visible, pairs.other))
            images = visible, other, self.fuse(network, visible, other)
            lines.append([x[0].cpu().clamp(0, 1) for x in images])
        return sheet(lines)


def fit_on_pairs(
    method: FeedForwardFuser,
    network: nn.Module,
    objective: type[PairObjective],
    train: Examples,
    validation: Examples,
    recipe: Recipe,
    backend: Backend,
    log: Log,
) -> nn.Module:
    """Train `network` on all pairs of `train`; `validation` is for curves and the best weights.

    Returns:
        The averaged network.
    """
    settings = method.settings
    seen, unseen = (objective(grey_pairs(x), settings, backend) for x in (train, validation))
    evaluator = PairEvaluator(unseen, method.evaluate, recipe.seed)
    data = [x for part in (seen, unseen) for x in (part.pairs.visible, part.pairs.other)]
    return run_training(
        method, network, seen, evaluator, settings.train, data, recipe, backend, log
    )
