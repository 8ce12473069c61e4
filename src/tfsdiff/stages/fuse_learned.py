"""Fuse the sources of the test groups by a fuser that has learned.

Reads: the fitted fuser, and what the stage `fuse` reads. Writes: what that writes.
"""

from pathlib import Path

from tfsdiff import methods
from tfsdiff.core import backend
from tfsdiff.params import Compute, Count, Section
from tfsdiff.stages.support import cli
from tfsdiff.stages.support.fusing import write_all


class Params(Section):
    """The parameters that this stage may read."""

    compute: Compute
    enlargers: tuple[str, ...]
    scales: tuple[Count, ...]
    seed: int


def fuse_learned(
    params: Params,
    *,
    fuser: str,
    split: Path,
    sources: Path,
    enlarged: Path,
    model: Path,
    out: Path,
) -> None:
    """Write what `fuser`, fitted as `model`, makes of `sources` and of `enlarged` to `out`."""
    method = methods.load_method(model, backend.make(params.compute))
    write_all(fuser, method, params, split, sources, enlarged, out)


if __name__ == "__main__":
    cli.run(fuse_learned)
