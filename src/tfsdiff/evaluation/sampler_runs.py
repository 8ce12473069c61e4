"""Fusing the same groups by every sampler, at increasing numbers of evaluations."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tfsdiff.core import seeding
from tfsdiff.core.tensors import Batch, levels
from tfsdiff.diffusion.samplers import SAMPLERS
from tfsdiff.evaluation.sampler_quality import Point
from tfsdiff.evaluation.scores import Summary, summarise, tabulate
from tfsdiff.methods.base import Fuser
from tfsdiff.metrics.lpips import Unavailable
from tfsdiff.metrics.score import score
from tfsdiff.params import Sampling


@dataclass(frozen=True)
class Scene:
    """The groups fused, and the references that the fusions are scored against.

    Attributes:
        low: low-resolution sources in batches, as the network gets them.
        high: sources and truth of all groups, at high resolution.
        scale: between them.
        network: of LPIPS.
    """

    low: Sequence[Batch]
    high: Batch
    scale: int
    network: nn.Module | Unavailable


def combinations(evaluations: Sequence[int], noise_levels: int) -> list[tuple[str, int]]:
    """Sampler and evaluations of all that is drawn; the last one is the full ancestral chain."""
    full = ("ancestral", noise_levels)
    every = [(sampler, count) for sampler in SAMPLERS for count in evaluations]
    return [*(one for one in every if one != full), full]


def run(
    method: Fuser,
    sampling: Sampling,
    wanted: Iterable[tuple[str, int]],
    scene: Scene,
    seed: int,
) -> tuple[list[Point], list[float]]:
    """Fuse by each of the `wanted` samplers and numbers of evaluations.

    Args:
        method: a joint diffusion method.
        sampling: the rest of what a sampler needs.
        wanted: sampler and evaluations.
        scene: what is fused.
        seed: of the noise.

    Returns:
        The scores of each, and its seconds an image.
    """
    points, seconds = [], []
    # A warm-up, not timed: the first call selects kernels and allocates memory.
    _fuse(_sampled(method, sampling, sampling.sampler, 1), scene.low, seed)
    for sampler, evaluations in wanted:
        sampled = _sampled(method, sampling, sampler, evaluations)
        begin = time.perf_counter()
        images = _fuse(sampled, scene.low, seed)
        seconds.append((time.perf_counter() - begin) / len(images))
        points.append(Point(sampler, evaluations, _summary(sampler, images, scene)))
    return points, seconds


def _sampled(method: Fuser, sampling: Sampling, sampler: str, evaluations: int) -> Fuser:
    change = {"sampler": sampler, "evaluations": evaluations}
    return method.with_sampling(sampling.model_copy(update=change))


def _fuse(method: Fuser, low: Sequence[Batch], seed: int) -> Tensor:
    """Images (N, 3, H, W), of the same noise as those of the stage `sample`."""
    images = []
    for batch in low:
        noise = [seeding.generator(seed, "sample", name) for name in batch.groups]
        images.append(method.fuse(batch, noise))
    return torch.cat(images)


def _summary(sampler: str, images: Tensor, scene: Scene) -> Summary:
    high = scene.high
    scores = score(levels(images), levels(high.sources), levels(high.truth), scene.network)
    return summarise(tabulate(sampler, scene.scale, high.groups, *scores))
