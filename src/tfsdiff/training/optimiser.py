"""Optimisers, and the learning rate as a function of the step."""

import math
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from tfsdiff.params import Train


def make(parts: Iterable[Sequence[nn.Parameter]], settings: Train) -> torch.optim.Optimizer:
    """Make the optimiser that `settings` name, a group for each of `parts`.

    Betas and weight decay are PyTorch's.
    """
    kind = torch.optim.AdamW if settings.optimiser == "adamw" else torch.optim.Adam
    groups = [{"params": list(part)} for part in parts]
    return kind(groups, lr=settings.learning_rate, fused=True)


def learning_rate(step: int, settings: Train) -> float:
    """Rate of step `step` (0, 1, ...): linear warm-up, then constant or half a cosine to zero."""
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
