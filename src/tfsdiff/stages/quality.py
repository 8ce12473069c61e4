"""Score every sampler at increasing numbers of evaluations, against the full ancestral chain.

Reads: the split, low-resolution sources, the fitted joint method, sources and truth. Writes: mean
scores (CSV) and their figure. Seconds an image go to `timings`, which no tool tracks: the same
parameters must give the same bytes. A line on stderr says how many evaluations suffice.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from tfsdiff import methods
from tfsdiff.common.errors import InputError
from tfsdiff.common.files import replacing
from tfsdiff.common.progress import progress
from tfsdiff.core import backend
from tfsdiff.data.dataset import batches, load_batch, select
from tfsdiff.evaluation.sampler_quality import conclusion, write_points
from tfsdiff.evaluation.sampler_runs import Scene, combinations, run
from tfsdiff.methods.base import Fuser, Method
from tfsdiff.metrics import lpips
from tfsdiff.params import Compute, Metrics, Quality, Sampling, Section
from tfsdiff.report.figures.sampler_quality import draw_sampler_quality
from tfsdiff.report.labels import method_label
from tfsdiff.stages.support import cli
from tfsdiff.stages.support.choose import spread


class Params(Section):
    """The parameters that this stage may read."""

    compute: Compute
    metrics: Metrics
    quality: Quality
    sampling: Sampling
    seed: int


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
    evaluations = params.quality.evaluations
    method = methods.load_method(model, backend.make(params.compute))
    wanted = combinations(evaluations, _noise_levels(network, method, max(evaluations)))
    groups = spread(select(low, split, "test"), params.quality.groups)
    scene = Scene(
        list(batches(low, groups, params.sampling.batch)),
        load_batch(sources, groups, truth),
        scale,
        lpips.load(params.metrics.lpips_backbone),
    )
    title = f"{method_label(network)} ×{scale}"
    points, seconds = run(method, params.sampling, progress(wanted, title), scene, params.seed)
    full = points[-1]
    shown = [point for point in points if point.evaluations in evaluations]
    write_points(out, points)
    count = f"test images: {len(groups)}, levels even in {params.sampling.spacing}"
    draw_sampler_quality(shown, full, figure, f"{title}; {count}")
    _write_timings(timings, wanted, seconds)
    sys.stderr.write(conclusion(title, shown, full) + "\n")


def _noise_levels(network: str, method: Method, most: int) -> int:
    """Noise levels of the diffusion of a joint method, at least `most`."""
    joint = isinstance(method, Fuser) and method.sampled
    if not (joint and method.settings.process == "diffusion"):
        raise InputError(
            f"quality.networks: {network} does not fuse by diffusion; name networks of `joint`"
        )
    found = method.state()[1]["diffusion"]["noise_levels"]
    if most > found:
        raise InputError(
            f"quality.evaluations: {most} is more than the {found} noise levels of the diffusion; "
            "leave it out"
        )
    return found


def _write_timings(path: Path, wanted: Sequence[tuple[str, int]], seconds: Sequence[float]) -> None:
    table = pd.DataFrame(wanted, columns=["sampler", "evaluations"])
    table["seconds_per_image"] = seconds
    with replacing(path) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n", float_format="%.4g")


if __name__ == "__main__":
    cli.run(quality)
