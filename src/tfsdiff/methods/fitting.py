"""Training of a method's network: the steps that all methods with a network share."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn

from tfsdiff.common.errors import InputError
from tfsdiff.core import seeding
from tfsdiff.core.backend import Backend
from tfsdiff.methods.learned import LearnedMethod
from tfsdiff.params import Train
from tfsdiff.training import loop
from tfsdiff.training.checkpoint import Checkpoint, fingerprint
from tfsdiff.training.evaluate import lowest_loss
from tfsdiff.training.log import Log, Recipe
from tfsdiff.training.loop import Objective

Network = TypeVar("Network", bound=nn.Module)
Selection = Callable[[Mapping[str, float]], float]


def initial_network(make: Callable[[], Network], seed: int) -> Network:
    """Call `make`, so that what it draws from torch's global generator derives from `seed` alone.

    Returns:
        The network, in evaluation mode.
    """
    with torch.random.fork_rng([]):
        torch.manual_seed(seeding.derive(seed, "weights"))
        return make().eval()


def train_section(method: LearnedMethod) -> Train:
    """How a method with a section `train` of its own is to be trained.

    Raises:
        InputError: it is null, as of imported weights.
    """
    section = method.settings.train
    if section is None:
        raise InputError(f"methods.{method.name}.train is null; give its training settings")
    return section


def run_training(
    method: LearnedMethod,
    network: nn.Module,
    objective: Objective,
    evaluator: loop.Evaluator,
    settings: Train,
    data: Sequence[Tensor],
    recipe: Recipe,
    backend: Backend,
    log: Log,
    selection: Selection = lowest_loss,
) -> nn.Module:
    """Train `network`; goes on from the checkpoint of a killed training.

    Args:
        method: that it belongs to; its settings, and the recipe, say whether a checkpoint is of
            this training.
        network: with its initial weights.
        objective: what it learns, from examples whose tensors are among `data`.
        evaluator: of the network, on examples that it does not learn from.
        settings: how it is trained.
        data: all that it learns from and is evaluated on; another training has other data.
        recipe: seed, folder of checkpoints, and sections.
        backend: where the network computes.
        log: where the numbers go.
        selection: of the evaluator's numbers: the best weights are those of the highest.

    Returns:
        The averaged network.
    """
    title = type(method).__name__ + (f" x{method.scale}" if method.scale else "")
    identity = [title, method.settings.model_dump(mode="json"), recipe.values()]
    return loop.train(
        loop.Training(
            title,
            backend.place(network),
            objective,
            evaluator,
            settings,
            recipe.seed,
            Checkpoint(recipe.checkpoints, fingerprint(identity, data)),
            log,
            backend,
            selection,
        )
    )
