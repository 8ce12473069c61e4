"""The optimiser, the learning rate as a function of the step, the average of the weights (EMA)."""

import copy
import math
from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

from tfsdiff.params import Train


class Optimiser:
    """The optimisers of a training: one, or Muon beside Adam.

    Betas and weight decay are PyTorch's, but Muon has no weight decay, as Adam has none.

    Args:
        groups: parameters that share a factor to the learning rate.
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
        self._views = [(parameter, _as_matrix(parameter)) for parameter in hidden]
        if hidden:
            matrices = {id(parameter): matrix for parameter, matrix in self._views}
            parts = [[matrices[id(p)] for p in group if id(p) in chosen] for group in groups]
            muon = [{"params": group} for group in parts]
            self._parts.append(torch.optim.Muon(muon, lr=settings.muon_rate, weight_decay=0.0))
            self._rates.append(settings.muon_rate / rate)

    def set_learning_rates(self, rates: Sequence[float]) -> None:
        """Use `rates`, one a group, from the next step on; Muon's are in proportion."""
        for part, factor in zip(self._parts, self._rates, strict=True):
            for group, rate in zip(part.param_groups, rates, strict=True):
                group["lr"] = rate * factor

    @property
    def learning_rate(self) -> float:
        """The rate of the first group."""
        return self._parts[0].param_groups[0]["lr"]

    def zero_grad(self) -> None:
        """Forget all gradients."""
        self._parts[0].zero_grad()
        for parameter, _ in self._views:
            parameter.grad = None

    def step(self) -> None:
        """Update all parameters that have a gradient."""
        for parameter, matrix in self._views:
            matrix.grad = None if parameter.grad is None else _flat(parameter.grad, parameter)
        for part in self._parts:
            part.step()

    def state_tensors(self) -> dict[str, Tensor]:
        """Moments and step counts as named tensors, e.g. "0.12.exp_avg"."""
        return {
            f"{number}.{i}.{name}": value
            for number, part in enumerate(self._parts)
            for i, entry in part.state_dict()["state"].items()
            for name, value in entry.items()
        }

    def restore_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Take back what `state_tensors` gave."""
        for number, part in enumerate(self._parts):
            parameters = [p for group in part.param_groups for p in group["params"]]
            state: dict[int, dict[str, Tensor]] = {}
            for key, value in tensors.items():
                owner, index, name = key.split(".")
                if int(owner) != number:
                    continue
                like = parameters[int(index)]
                # The fused kernel walks through memory: moments must lie in it as the weights do.
                laid = torch.empty_like(like).copy_(value) if value.shape == like.shape else value
                state.setdefault(int(index), {})[name] = laid
            groups = part.state_dict()["param_groups"]
            part.load_state_dict({"state": state, "param_groups": groups})


def _hidden_convolutions(groups: Sequence[Sequence[nn.Parameter]]) -> list[nn.Parameter]:
    """Weights of all convolutions of each group but the first and the last.

    Muon is for matrices between hidden features: the first convolution reads images, the last one
    writes them (K. Jordan, "Muon: an optimizer for hidden layers in neural networks", 2024).
    """
    return [p for group in groups for p in [q for q in group if q.ndim == 4][1:-1]]


def _flat(tensor: Tensor, like: Tensor) -> Tensor:
    """The weights (O, I, h, w) of a convolution, or their gradient, as a matrix (O, I h w).

    Its columns are in the order in which `like` lies in memory, so that the matrix of the weights
    is a view of them. Muon's update is orthogonal whatever the order of the columns.
    """
    return tensor.flatten(1) if like.is_contiguous() else tensor.permute(0, 2, 3, 1).flatten(1)


def _as_matrix(parameter: nn.Parameter) -> nn.Parameter:
    matrix = _flat(parameter.detach(), parameter)
    if matrix.data_ptr() != parameter.data_ptr():
        raise ValueError("weights of a convolution must lie in memory as a matrix does")
    return nn.Parameter(matrix)


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
