"""Optimisers, the learning rate as a function of the step, and the average of the weights (EMA)."""

import copy
import math
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from tfsdiff.params import Train


def make(groups: Iterable[Sequence[nn.Parameter]], settings: Train) -> torch.optim.Optimizer:
    """Make the optimiser that `settings` name, with a parameter group for each of `groups`.

    Betas and weight decay are PyTorch's.
    """
    kind = torch.optim.AdamW if settings.optimiser == "adamw" else torch.optim.Adam
    return kind(
        [{"params": list(group)} for group in groups], lr=settings.learning_rate, fused=True
    )


def learning_rate(step: int, settings: Train) -> float:
    """Rate of step `step` (0, 1, ...): linear warm-up, then constant or half a cosine to zero.

    A function of the step alone, so that a resumed training needs no state for it. PyTorch's
    schedulers count for themselves: the chainable ones multiply the last rate, so that rounding
    depends on where a training was resumed, and `LambdaLR` multiplies the base rate by a factor,
    which differs in the last bit from this order of operations.
    """
    if step < settings.warmup_steps:
        return settings.learning_rate * (step + 1) / (settings.warmup_steps + 1)
    if settings.decay == "constant":
        return settings.learning_rate
    done = (step - settings.warmup_steps) / max(settings.steps - settings.warmup_steps, 1)
    return settings.learning_rate * (1 + math.cos(math.pi * done)) / 2


def set_learning_rates(optimiser: torch.optim.Optimizer, rates: Sequence[float]) -> None:
    """Use `rates`, one a group, from the next step on."""
    for group, rate in zip(optimiser.param_groups, rates, strict=True):
        group["lr"] = rate


def state_tensors(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Moments and step counts as named tensors, e.g. "12.exp_avg"."""
    state = optimiser.state_dict()["state"]
    return {f"{i}.{name}": value for i, entry in state.items() for name, value in entry.items()}


def restore_tensors(optimiser: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Take back what `state_tensors` gave."""
    groups = optimiser.state_dict()["param_groups"]
    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        index, name = key.split(".")
        like = parameters[int(index)]
        # The fused kernel walks through memory, so moments must lie in memory as the weights do.
        laid = torch.empty_like(like).copy_(value) if value.shape == like.shape else value
        state.setdefault(int(index), {})[name] = laid
    optimiser.load_state_dict({"state": state, "param_groups": groups})


class Average:
    """Exponential moving average (EMA) of a network's parameters: what is validated and kept.

    The decay warms up as min(decay, (1 + step) / (10 + step)): the first, random weights are
    forgotten at once, also in trainings much shorter than 1 / (1 - decay) steps.

    Not `torch.optim.swa_utils.AveragedModel`, whose every update copies its counter to the device
    of the weights and so waits for all that a GPU still has to do.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = copy.deepcopy(network).requires_grad_(False).eval()
        self._decay = decay
        self._averaged = list(self.network.parameters())
        self._learning = [parameter.detach() for parameter in network.parameters()]
        self._buffers = list(zip(self.network.buffers(), network.buffers(), strict=True))

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after optimiser step `step` (1, 2, ...)."""
        decay = min(self._decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self._averaged, self._learning, 1 - decay)
        for averaged, learning in self._buffers:  # running statistics are averages already
            averaged.copy_(learning)
