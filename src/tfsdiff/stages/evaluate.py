"""Score one cell: the fused test images of one row at one scale, all eight metrics.

Reads: the split, fused images, high-resolution sources, ground truth. Writes: per-image scores
(CSV) and their summary (JSON).
"""

from pathlib import Path

from tfsdiff.params import Compute, Metrics, Section
from tfsdiff.stages import _cli


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
    raise NotImplementedError


if __name__ == "__main__":
    _cli.run(evaluate)
