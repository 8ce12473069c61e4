"""Parts of evaluators: mean losses over unseen examples, a sheet of images, the best network."""

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

from tfsdiff.core.backend import Backend
from tfsdiff.core.seeding import generator
from tfsdiff.params import Train
from tfsdiff.training.loop import Objective


def mean_losses(
    network: nn.Module, objective: Objective, settings: Train, backend: Backend, seed: int
) -> dict[str, float]:
    """Means over all examples of the terms of the last step's first update.

    Crops, noise levels and noise are the same at every call, so that two networks differ by what
    they have learned alone.

    Args:
        network: to be evaluated.
        objective: of the examples.
        settings: size of the batches.
        backend: where the network computes.
        seed: of crops and noise.
    """
    update = objective.updates(settings.steps - 1)[0]
    count, sums = len(objective.names), {}
    for indices in torch.arange(count).split(settings.batch):
        noise = [generator(seed, "validation", int(i)) for i in indices]
        inputs = (x.to(backend.device) for x in objective.draw(indices, noise))
        for name, value in update.loss(network, *inputs).items():
            sums[name] = sums.get(name, 0.0) + value.item() * len(indices)
    return {name: total / count for name, total in sums.items()}


def sheet(lines: Iterable[Sequence[Tensor]]) -> Tensor:
    """Lay images (C, h, w) out line by line: one image (3, H, W) of the same range.

    Grey images, of one channel, get three equal ones.
    """
    return torch.cat([torch.cat(list(line), -1) for line in lines], -2).expand(3, -1, -1)


def highest_psnr(numbers: Mapping[str, float]) -> float:
    """Rank networks by the PSNR of the images that they make."""
    return numbers["psnr"]


def lowest_loss(numbers: Mapping[str, float]) -> float:
    """Rank networks by their loss on examples that they do not learn from."""
    return -numbers["loss"]
