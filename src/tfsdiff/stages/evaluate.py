"""Score one cell: the fused test images of one row at one scale, all eight metrics.

Reads: the split, fused images, high-resolution sources, ground truth. Writes: per-image scores
(CSV) and their summary (JSON).
"""

from pathlib import Path

from tfsdiff.common.errors import InputError
from tfsdiff.common.progress import progress
from tfsdiff.core.tensors import levels
from tfsdiff.data.dataset import load_batch, select
from tfsdiff.data.images import read, to_unit
from tfsdiff.evaluation.scores import write_scores
from tfsdiff.metrics import lpips
from tfsdiff.metrics.registry import Scores, score
from tfsdiff.params import Compute, Metrics, Section
from tfsdiff.stages.support import cli


class Params(Section):
    """What this stage may see."""

    compute: Compute
    metrics: Metrics


def evaluate(
    params: Params,
    *,
    row: str,
    scale: int,
    fused: Path,
    sources: Path,
    truth: Path,
    split: Path,
    scores: Path,
    out: Path,
) -> None:
    """Write the scores of the images `fused`/GROUP.png to `scores`, their summary to `out`."""
    network = lpips.load(params.metrics.lpips_backbone)
    groups = select(sources, split, "test")
    rows, empty = [], {}
    for group in progress(groups, f"{row} x{scale}"):
        reference = load_batch(sources, [group], truth)
        image = to_unit(read(fused / f"{group.group}.png"))[None]
        if image.shape != reference.truth.shape:
            raise InputError(
                f"{fused}/{group.group}.png: not of the size of {sources}; fuse it again"
            )
        one = score(*(map(levels, (image, reference.sources, reference.truth))), network)
        rows += one.rows
        empty |= one.empty
    write_scores(scores, out, row, scale, [group.group for group in groups], Scores(rows, empty))


if __name__ == "__main__":
    cli.run(evaluate)
