"""Score every sampler at rising numbers of evaluations: how few are as good as the full chain?

Reads: the split, low-resolution sources, the fitted joint network, sources and truth. Writes: mean
scores (CSV) and their figure. Seconds an image go to `timings`, which no tool tracks: the same
parameters must give the same bytes. A line on stderr says which evaluations suffice.
"""

import csv
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from tfsdiff import methods
from tfsdiff.common.errors import InputError
from tfsdiff.common.files import replacing
from tfsdiff.common.progress import progress
from tfsdiff.core import backend, seeding
from tfsdiff.core.tensors import Batch, levels
from tfsdiff.data.dataset import batches, load_batch, select
from tfsdiff.diffusion.samplers import SAMPLERS
from tfsdiff.evaluation.scores import Summary, summarise
from tfsdiff.methods.base import Fuser, Method
from tfsdiff.methods.conditional.method import Diffusing
from tfsdiff.metrics import lpips
from tfsdiff.metrics.registry import score
from tfsdiff.params import Compute, Metrics, Quality, Sampling, Section
from tfsdiff.report import plots
from tfsdiff.report.labels import label
from tfsdiff.report.quality import Point, sentence, write_points
from tfsdiff.stages.support import cli
from tfsdiff.stages.support.choose import spread


class Params(Section):
    """What this stage may see."""

    compute: Compute
    metrics: Metrics
    quality: Quality
    sampling: Sampling
    seed: int


@dataclass(frozen=True)
class Scene:
    """The groups drawn: low-resolution sources in batches, and what the fusions are held against.

    Attributes:
        low: the sources as the network gets them.
        high: sources and truth of all of them, at high resolution.
        network: of LPIPS.
    """

    low: Sequence[Batch]
    high: Batch
    network: nn.Module | lpips.Unavailable


def quality(
    params: Params,
    *,
    network: str,
    scale: int,
    split: Path,
    low: Path,
    sources: Path,
    truth: Path,
    model: Path,
    timings: Path,
    out: Path,
    figure: Path,
) -> None:
    """Write the scores of `network` at one scale to `out`, and draw them to `figure`."""
    member = methods.load_method(model, backend.make(params.compute))
    cells = _cells(network, member, params.quality.evaluations)
    groups = spread(select(low, split, "test"), params.quality.groups)
    scene = Scene(
        list(batches(low, groups, params.sampling.batch)),
        load_batch(sources, groups, truth),
        lpips.load(params.metrics.lpips_backbone),
    )
    title = f"{label(network)} ×{scale}"
    points, seconds = _measure(params, member, scene, progress(cells, title), scale)
    full = points[-1]
    wanted = [point for point in points if point.evaluations in params.quality.evaluations]
    write_points(out, points)
    count = f"test images: {len(groups)}, levels even in {params.sampling.spacing}"
    plots.quality(wanted, full, figure, f"{title}; {count}")
    _write_timings(timings, cells, seconds)
    sys.stderr.write(sentence(title, wanted, full) + "\n")


def _cells(network: str, member: Method, evaluations: Sequence[int]) -> list[tuple[str, int]]:
    """Sampler and evaluations of all that is drawn; the last one is the full ancestral chain."""
    joint = isinstance(member, Diffusing) and isinstance(member, Fuser)
    if not (joint and member.settings.process == "diffusion"):
        raise InputError(
            f"quality.networks: {network} does not fuse by diffusion; name networks of `joint`"
        )
    noise_levels = member.state()[1]["diffusion"]["noise_levels"]
    if max(evaluations) > noise_levels:
        raise InputError(
            f"quality.evaluations: {max(evaluations)} is more than the {noise_levels} noise "
            "levels of the diffusion; leave it out"
        )
    cells = [(sampler, count) for sampler in SAMPLERS for count in evaluations]
    full = ("ancestral", noise_levels)
    return [*(cell for cell in cells if cell != full), full]


def _measure(
    params: Params, member: Fuser, scene: Scene, cells: Iterable[tuple[str, int]], scale: int
) -> tuple[list[Point], list[float]]:
    """Scores of each cell, and its seconds an image."""
    points, seconds = [], []
    # The first drawing chooses kernels and takes memory: not to be timed.
    member.sampling = params.sampling.model_copy(update={"evaluations": 1})
    _draw(member, scene.low, params.seed)
    for sampler, evaluations in cells:
        change = {"sampler": sampler, "evaluations": evaluations}
        member.sampling = params.sampling.model_copy(update=change)
        begin = time.perf_counter()
        drawn = _draw(member, scene.low, params.seed)
        seconds.append((time.perf_counter() - begin) / len(drawn))
        points.append(Point(sampler, evaluations, _score(sampler, scale, drawn, scene)))
    return points, seconds


def _draw(member: Fuser, low: Sequence[Batch], seed: int) -> Tensor:
    """Images (N, 3, H, W), of the same noise as those of the stage `sample`."""
    drawn = []
    for batch in low:
        noise = [seeding.generator(seed, "sample", name) for name in batch.groups]
        drawn.append(member.fuse(batch, noise))
    return torch.cat(drawn)


def _score(sampler: str, scale: int, drawn: Tensor, scene: Scene) -> Summary:
    images = (levels(drawn), levels(scene.high.sources), levels(scene.high.truth))
    return summarise(sampler, scale, scene.high.groups, score(*images, scene.network))


def _write_timings(path: Path, cells: Sequence[tuple[str, int]], seconds: Sequence[float]) -> None:
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["sampler", "evaluations", "seconds_per_image"])
        for cell, value in zip(cells, seconds, strict=True):
            writer.writerow([*cell, f"{value:.4g}"])


if __name__ == "__main__":
    cli.run(quality)
