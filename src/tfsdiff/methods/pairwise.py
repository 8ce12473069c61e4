"""Three images for methods that fuse two: pairs, their order and slots, and how colour is carried.

Two calls on luminance (reference page, chapter 8): the anatomical images first, their fusion with
the luminance of the functional image second; the chroma of the functional image is carried over
(full-range BT.601 YCbCr). Between the calls the image is clipped to [0, 1] and not rounded.
"""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from tfsdiff.common.errors import InputError
from tfsdiff.core import seeding
from tfsdiff.core.backend import CPU, Backend
from tfsdiff.core.tensors import Batch, luminance
from tfsdiff.data.colour import rgb_to_ycbcr, ycbcr_to_rgb
from tfsdiff.methods import checkpoints
from tfsdiff.methods.base import Examples, Fuser, Imported, Log, Recipe
from tfsdiff.methods.pair_objective import GreyPairs, PairEvaluator, PairObjective
from tfsdiff.params import Section, Train, validate
from tfsdiff.training import loop
from tfsdiff.training.checkpoint import Checkpoint, fingerprint
from tfsdiff.training.objective import Objective, lowest_loss

# Who takes the slot that these methods made for visible light: the first of these that a pair has.
VISIBLE_FIRST = ("MR-T2", "MR-Gad", "MR-T1", "MR-PD", "CT")

Three = tuple[Tensor, Tensor, Tensor]  # visible, other and functional luminance


class Arrangement(Section):
    """How three images come to a method that takes two; settings of such a method extend it."""

    first: Literal["anatomical", "functional"]  # the pair fused first; functional: with the visible
    swapped: bool  # the two slots of every call exchanged


class Pairwise(Fuser):
    """Fuses three images by two calls of `fuse_pair`."""

    settings: Arrangement

    @abstractmethod
    def fuse_pair(
        self, visible: Tensor, other: Tensor, generators: Sequence[torch.Generator]
    ) -> Tensor:
        """Fuse luminances (B, 1, H, W) in [0, 1] to one; one generator an image, for both calls."""

    def fuse(self, batch: Batch, generators: Sequence[torch.Generator]) -> Tensor:
        """Fuse `batch.sources` to (B, 3, H, W) in [0, 1]; one generator an image."""
        colour = rgb_to_ycbcr(batch.sources[:, 2])
        fused = self.fuse_three((*slots(batch), colour[:, :1].clamp(0, 1)), generators)
        return ycbcr_to_rgb(torch.cat([fused, colour[:, 1:]], dim=1)).clamp(0, 1)

    def fuse_three(self, images: Three, generators: Sequence[torch.Generator]) -> Tensor:
        """Fuse three luminances to one, (B, 1, H, W) in [0, 1], by the two calls."""
        visible, early, late = images
        if self.settings.first == "functional":
            early, late = late, early
        return self._call(self._call(visible, early, generators), late, generators)

    def _call(
        self, visible: Tensor, other: Tensor, generators: Sequence[torch.Generator]
    ) -> Tensor:
        if self.settings.swapped:
            visible, other = other, visible
        return self.fuse_pair(visible, other, generators).to(visible).clamp(0, 1)


class Learned(Arrangement):
    """Settings of a method that learns to fuse pairs."""

    train: Train | None  # null: of imported weights


@dataclass(frozen=True)
class Lesson:
    """What the network of a method for pairs learns by.

    Attributes:
        objective: what to learn.
        evaluator: of the network, on examples that it does not learn from.
        identity: plain values that determine the training.
        tensors: that determine it.
    """

    objective: Objective
    evaluator: loop.Evaluator
    identity: list[Any]
    tensors: list[Tensor]


class Networked(Pairwise):
    """A method for pairs that fuses by a network: how that is trained, stored and loaded.

    Attributes:
        settings: with `train`, how it is trained, or None where weights are imported.
        network: with weights after `fit` or `restore`, on the device of `backend`.
        backend: where the network computes.
    """

    learned = True

    settings: Any  # an arrangement that has `train`
    network: nn.Module | None = None
    backend: Backend = CPU
    _values: dict[str, Any]

    @abstractmethod
    def new_network(self, learning: bool) -> nn.Module:
        """The network that the settings describe; with its players where it is `learning`.

        Its weights are drawn from torch's global generator, which the caller has seeded.
        """

    @abstractmethod
    def lesson(
        self, train: Examples, validation: Examples, recipe: Recipe, backend: Backend
    ) -> Lesson:
        """What the network is to learn."""

    def values(self, recipe: Recipe) -> dict[str, Any]:
        """What is stored beside weights that were learned by `recipe`."""
        return recipe.values()

    def kept(self, network: nn.Module) -> dict[str, Tensor]:
        """What is kept of a network that has learned: weights in the released layout."""
        return network.state_dict()

    def fit(
        self, train: Examples, validation: Examples, recipe: Recipe, backend: Backend, log: Log
    ) -> None:
        """Learn from all of `train`; goes on from the checkpoint of a killed training."""
        settings, title = self.settings.train, type(self).__name__
        if settings is None:
            raise InputError(f"methods.{self.name}.train is null; say how it is to be trained")
        with torch.random.fork_rng([]):
            torch.manual_seed(seeding.derive(recipe.seed, "weights"))
            network = self.new_network(learning=True).eval()
        lesson = self.lesson(train, validation, recipe, backend)
        training = loop.Training(
            title,
            backend.place(network),
            lesson.objective,
            lesson.evaluator,
            settings,
            recipe.seed,
            Checkpoint(recipe.checkpoints, fingerprint(lesson.identity, lesson.tensors)),
            log,
            backend,
            lowest_loss,
        )
        self.network, self.backend, self._values = (
            loop.train(training),
            backend,
            self.values(recipe),
        )

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Weights, and the recipe."""
        if self.network is None:
            raise ValueError("nothing was learned yet")
        tensors = self.kept(self.network)
        return {name: x.contiguous().cpu() for name, x in tensors.items()}, self._values

    def restore(self, tensors: dict[str, Tensor], values: dict[str, Any], backend: Backend) -> None:
        """Take back what `state` gave, to compute by `backend`."""
        with torch.device("meta"):
            network = self.new_network(learning=False)
        network.to_empty(device=backend.device)
        try:
            network.load_state_dict(tensors)
        except RuntimeError as error:
            first = " ".join(str(error).split())[:200]
            raise InputError(f"weights do not fit their settings: {first}") from None
        backend.compile(backend.place(network.eval()))
        self.network, self.backend, self._values = network, backend, values


class LearnedPairwise(Networked):
    """A method for pairs with a network that learns from pairs, without any truth."""

    @abstractmethod
    def objective(self, pairs: GreyPairs, backend: Backend) -> PairObjective:
        """What the network is to learn."""

    @abstractmethod
    def evaluate(self, network: nn.Module, visible: Tensor, other: Tensor) -> Tensor:
        """Fuse (B, 1, H, W) in [0, 1] twice to (B, 1, H, W) by `network`, on its device."""

    @classmethod
    def recognise(
        cls,
        checkpoint: Path,
        tensors: dict[str, Tensor],
        official: dict[str, Any],
        architecture: Callable[[dict[str, Tensor]], dict[str, int]],
    ) -> Imported:
        """Make of the `tensors` of a released checkpoint what `import_released` returns.

        Args:
            checkpoint: the file that they are of.
            tensors: by key.
            official: settings that compute the released results; sizes of the network are added.
            architecture: reads these sizes off the tensors.

        Raises:
            InputError: keys, shapes or values are not those of such a network.
        """
        try:
            sizes = architecture(tensors)
            settings = validate(official | sizes, cls.Settings, "the network cannot be built")
            with torch.device("meta"):
                network = cls(settings).new_network(learning=False)
            checkpoints.check(tensors, network.state_dict())
        except InputError as error:
            raise InputError(f"{checkpoint}: {error}") from None
        count = sum(parameter.numel() for parameter in network.parameters())
        words = ", ".join(f"{name} {value}" for name, value in sizes.items())
        return Imported(official | sizes, tensors, {}, f"{count:,} parameters: {words}")

    def fuse_pair(
        self, visible: Tensor, other: Tensor, generators: Sequence[torch.Generator]
    ) -> Tensor:
        """Fuse luminances (B, 1, H, W) in [0, 1] to one."""
        if self.network is None:
            raise ValueError("needs weights (fit or restore) before it can fuse")
        device = self.backend.device
        with torch.inference_mode(), self.backend.autocast():
            fused = self.evaluate(self.network, visible.to(device), other.to(device))
        return fused.float().to(visible.device)

    def lesson(
        self, train: Examples, validation: Examples, recipe: Recipe, backend: Backend
    ) -> Lesson:
        """All pairs of `train`; judged by its losses on those of `validation`."""
        pairs, unseen = (grey_pairs(examples) for examples in (train, validation))
        return Lesson(
            self.objective(pairs, backend),
            PairEvaluator(self.objective(unseen, backend), self.evaluate, recipe.seed),
            [self.settings.model_dump(mode="json"), recipe.values(), type(self).__name__],
            [x for p in (pairs, unseen) for x in (p.visible, p.other)],
        )


def slots(batch: Batch) -> tuple[Tensor, Tensor]:
    """Luminances (B, 1, H, W) of the anatomical images: that of the slot "visible", and the other.

    Where modalities are unknown, the second anatomical image is the visible one: in most
    combinations of the atlas it is MR-T2.
    """
    first, second = luminance(batch.sources[:, :2]).clamp(0, 1).unbind(1)
    names = batch.modalities or [("", "", "")] * len(batch)
    leads = torch.tensor([_leads(*names[:2]) for names in names], device=first.device)
    leads = leads.view(-1, 1, 1, 1)
    return torch.where(leads, first, second), torch.where(leads, second, first)


def _leads(first: str, second: str) -> bool:
    """Whether the first of two anatomical images takes the slot "visible"."""
    known = [name for name in VISIBLE_FIRST if name in (first, second)]
    return bool(known) and known[0] == first


def stretched(images: Tensor, least: float = 0) -> Tensor:
    """Stretch each of (B, 1, H, W) linearly to the whole of [0, 1].

    An image whose values differ by no more than `least` stays: a constant one has no contrast, and
    of one that is nearly so only noise would be seen.
    """
    low, high = images.amin((1, 2, 3), keepdim=True), images.amax((1, 2, 3), keepdim=True)
    return torch.where(high - low > least, (images - low) / (high - low), images)


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
