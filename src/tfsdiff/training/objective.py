"""What a network learns: an objective, its updates, and the parameters that these change."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

Terms = dict[str, Tensor]  # scalars of a loss by their names; "loss" is what is minimised


@dataclass(frozen=True)
class ParamGroup:
    """Parameters whose gradients are clipped together, and which may learn at a rate of their own.

    Attributes:
        prefix: of their names in the network; "" are all.
        rate: factor to the learning rate, by the step (0, 1, ...).
    """

    prefix: str = ""
    rate: Callable[[int], float] = lambda step: 1.0


@dataclass(frozen=True)
class Update:
    """One update of some groups; a step makes one, or several where adversaries take turns.

    Attributes:
        loss: from the network and the inputs that `draw` gave to terms, means over the batch.
        groups: prefixes of the groups that learn; all others are held.
        name: of the update, in front of the names of its terms in the log.
    """

    loss: Callable[..., Terms]
    groups: tuple[str, ...] = ("",)
    name: str = ""


class Objective(ABC):
    """What a network learns, and from which examples.

    By default every step makes one update of all parameters, which minimises `loss`.

    Attributes:
        groups: parameter groups, which together have all that learns.
    """

    groups: Sequence[ParamGroup] = (ParamGroup(),)

    @property
    @abstractmethod
    def names(self) -> Sequence[str]:
        """Names of the examples, for errors; their number is that of the examples."""

    @abstractmethod
    def draw(self, indices: Tensor, generators: Sequence[torch.Generator]) -> tuple[Tensor, ...]:
        """Inputs of the losses for the examples `indices` (B,), on the CPU; one generator each."""

    def updates(self, step: int) -> Sequence[Update]:
        """The updates that step `step` (0, 1, ...) makes, one after another."""
        return (Update(self.loss),)

    def loss(self, network: nn.Module, *inputs: Tensor) -> Terms:
        """Terms of the loss of the one update, means over the batch."""
        raise NotImplementedError


def highest_psnr(numbers: Mapping[str, float]) -> float:
    """Rank networks by the PSNR of the images that they make."""
    return numbers["psnr"]


def lowest_loss(numbers: Mapping[str, float]) -> float:
    """Rank networks by their loss on examples that they do not learn from."""
    return -numbers["loss"]
