"""Score the fused test images of all rows at one scale, or at full resolution (scale 1).

Reads: the split, fused images, high-resolution sources, ground truth. Writes: a table of every
image's scores (CSV), and a folder with the means of each row (JSON).
"""

from pathlib import Path

import pandas as pd

from tfsdiff.common.processes import usable_cpus
from tfsdiff.data.dataset import select
from tfsdiff.evaluation.rows import Lists, rows_at
from tfsdiff.evaluation.scores import write_means, write_scores
from tfsdiff.evaluation.scoring import Images, score_rows
from tfsdiff.params import Metrics
from tfsdiff.stages.support import cli


class Params(Lists):
    """The parameters that this stage may read."""

    metrics: Metrics


def evaluate(
    params: Params,
    *,
    scale: int,
    fused: Path,
    sources: Path,
    truth: Path,
    split: Path,
    scores: Path,
    out: Path,
) -> None:
    """Write the scores of all images at one scale to `scores`, their means to `out`/ROW.json."""
    rows = tuple(rows_at(scale, params))
    groups = select(sources, split, "test")
    images = Images(rows, fused, sources, truth, params.metrics.lpips_backbone)
    tables = score_rows(images, groups, usable_cpus(), f"x{scale}")
    write_scores(scores, pd.concat(tables.values()))
    write_means(out, tables)


if __name__ == "__main__":
    cli.run(evaluate)
