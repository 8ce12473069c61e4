"""What the training loop is given: a task, a judge, and how to go about it."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from tfsdiff.core.backend import Backend
from tfsdiff.params import Train
from tfsdiff.training.checkpoint import Checkpoint
from tfsdiff.training.recipe import Log

Judge = Callable[[nn.Module], tuple[dict[str, float], Tensor]]  # numbers and a grid of images


@dataclass(frozen=True)
class Part:
    """Parameters whose gradients are clipped together, and which may learn at a rate of their own.

    Attributes:
        prefix: of their names in the network; "" are all.
        rate: factor to the learning rate, by the step (0, 1, ...).
    """

    prefix: str = ""
    rate: Callable[[int], float] = lambda step: 1.0


@dataclass(frozen=True)
class Turn:
    """One update of some parts; a step makes one, or several where players oppose each other.

    Attributes:
        loss: from the network and the inputs that `draw` gave to terms, means over the batch;
            "loss" is what is minimised.
        parts: prefixes of the parts that learn; all others are held.
        name: of the turn, in front of the names of its terms in the log.
    """

    loss: Callable[..., dict[str, Tensor]]
    parts: tuple[str, ...] = ("",)
    name: str = ""


class Task(Protocol):
    """What a network is to learn."""

    @property
    def names(self) -> Sequence[str]:
        """Names of the examples."""

    @property
    def parts(self) -> Sequence[Part]:
        """Parts of the network, which together have all that learns."""

    def turns(self, step: int) -> Sequence[Turn]:
        """The updates that step `step` (0, 1, ...) makes, one after another."""

    def draw(self, indices: Tensor, generators: Sequence[torch.Generator]) -> tuple[Tensor, ...]:
        """Inputs of the losses for the examples `indices` (B,), on the CPU; one generator each."""


class OneLoss(ABC):
    """A task of one network, all of which learns at once by one loss at every step."""

    examples: Any  # what to learn from; has `names`

    @property
    def names(self) -> Sequence[str]:
        """Names of the examples."""
        return self.examples.names

    @property
    def parts(self) -> Sequence[Part]:
        """The network is one part."""
        return (Part(),)

    def turns(self, step: int) -> Sequence[Turn]:
        """Every step makes one update."""
        return (Turn(self.loss),)

    @abstractmethod
    def loss(self, network: nn.Module, *inputs: Tensor) -> dict[str, Tensor]:
        """Terms of the loss, means over the batch; "loss" is what is minimised."""


def lowest_loss(numbers: Mapping[str, float]) -> float:
    """Rank networks by their loss on examples that they do not learn from."""
    return -numbers["loss"]


def _psnr(numbers: Mapping[str, float]) -> float:
    return numbers["psnr"]


@dataclass(frozen=True)
class Job:
    """A training.

    Attributes:
        title: what to call it in the progress bar and in errors.
        network: on its device; trained in place.
        task: what to learn.
        judge: judges the averaged network on validation examples.
        settings, seed: the recipe.
        checkpoint: where to resume from.
        log: takes means of the terms, and the validation, at every validation step.
        backend: where the network computes.
        merit: of the judge's numbers; the best are those of the highest.
    """

    title: str
    network: nn.Module
    task: Task
    judge: Judge
    settings: Train
    seed: int
    checkpoint: Checkpoint
    log: Log
    backend: Backend
    merit: Callable[[Mapping[str, float]], float] = _psnr
