"""The optimiser, the learning rate as a function of the step, and the average of the weights (EMA)."""

import copy
import math
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from tfsdiff.params import Train


class Optimiser:
    """The optimisers of a training: one, or Muon beside Adam; a parameter group of each, a group.

    Betas are PyTorch's, and so is the weight decay, but for Muon's, which is zero as Adam's is.

    Args:
        groups: parameters that are clipped together and share a factor to the rate.
        settings: which optimiser, and its rates.
    """

    def __init__(self, groups: Iterable[Sequence[nn.Parameter]], settings: Train) -> None:
        groups = [list(group) for group in groups]
        hidden = _hidden_convolutions(groups) if settings.optimiser == "muon" else []
        chosen = {id(parameter) for parameter in hidden}
        rest = [[p for p in group if id(p) not in chosen] for group in groups]
        kind = torch.optim.AdamW if settings.optimiser == "adamw" else torch.optim.Adam
        rate = settings.learning_rate
        self._parts = [kind([{"params": group} for group in rest], lr=rate, fused=True)]
        self._rates = [1.0]  # of each part, relative to `learning_rate`
        self._views: list[tuple[nn.Parameter, nn.Parameter]] = []
        if hidden:
            self._views = [(parameter, _as_matrix(parameter)) for parameter in hidden]
            matrices = {id(parameter): matrix for parameter, matrix in self._views}
            parts = [[matrices[id(p)] for p in group if id(p) in chosen] for group in groups]
            muon = [{"params": group} for group in parts]
            self._parts.append(torch.optim.Muon(muon, lr=settings.muon_rate, weight_decay=0.0))
            self._rates.append(settings.muon_rate / rate)

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
