"""What the training loop is given: a task, a judge, and how to go about it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from tfsdiff.backend import Backend
from tfsdiff.params import Train
from tfsdiff.training.checkpoint import Checkpoint
from tfsdiff.training.recipe import Log

Judge = Callable[[nn.Module], tuple[dict[str, float], Tensor]]  # numbers, "psnr" among them; a grid


class Task(Protocol):
    """What a network is to learn."""

    @property
    def names(self) -> Sequence[str]:
        """Names of the examples."""

    def draw(self, indices: Tensor, generators: Sequence[torch.Generator]) -> tuple[Tensor, ...]:
        """Inputs of `loss` for the examples `indices` (B,), on the CPU; one generator each."""

    def loss(self, network: nn.Module, *inputs: Tensor) -> dict[str, Tensor]:
        """Terms of the loss, means over the batch; "loss" is what is minimised."""


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
