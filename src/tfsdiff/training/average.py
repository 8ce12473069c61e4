"""Exponential moving average (EMA) of the weights: what is validated, sampled and kept."""

import copy

import torch
from torch import nn


class Average:
    """EMA of a network's parameters.

    The decay warms up as min(decay, (1 + step) / (10 + step)): the first, random weights are
    forgotten at once, also in trainings much shorter than 1 / (1 - decay) steps.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = copy.deepcopy(network).requires_grad_(False).eval()
        self._decay = decay
        self._mine = list(self.network.parameters())
        self._theirs = [parameter.detach() for parameter in network.parameters()]
        self._buffers = list(zip(self.network.buffers(), network.buffers(), strict=True))

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after optimiser step `step` (1, 2, ...)."""
        decay = min(self._decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self._mine, self._theirs, 1 - decay)
        for mine, theirs in self._buffers:  # running statistics are averages already
            mine.copy_(theirs)
