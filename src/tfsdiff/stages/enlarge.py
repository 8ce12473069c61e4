"""Enlarge the low-resolution sources of the test groups by an enlarger that learns nothing.

Reads: the split, low-resolution sources. Writes: an image folder of the test groups at high
resolution, 8 bit.
"""

from pathlib import Path
from typing import Any

from tfsdiff import methods
from tfsdiff.params import Compute, Sampling, Section
from tfsdiff.stages.support import cli
from tfsdiff.stages.support.enlarging import write_enlarged


class Params(Section):
    """The parameters that this stage may read."""

    compute: Compute
    methods: dict[str, dict[str, Any]]
    sampling: Sampling
    seed: int


def enlarge(
    params: Params, *, enlarger: str, scale: int, split: Path, low: Path, out: Path
) -> None:
    """Write the test groups of the image folder `low`, enlarged by `enlarger`, to `out`."""
    method = methods.build(enlarger, params.methods[enlarger], scale)
    write_enlarged(method, params.seed, params.sampling.batch, split, low, out)


if __name__ == "__main__":
    cli.run(enlarge)
