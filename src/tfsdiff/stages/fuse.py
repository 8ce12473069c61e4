"""Fuse the sources of the test groups by a fuser that learns nothing.

Reads: the split, and as image folders the sources at full resolution and enlarged by every
enlarger from every scale. Writes: a folder for each of them, GROUP.png a test group.
"""

from pathlib import Path
from typing import Any

from tfsdiff import methods
from tfsdiff.params import Compute, Count, Section
from tfsdiff.stages.support import cli
from tfsdiff.stages.support.fusing import write_all


class Params(Section):
    """The parameters that this stage may read."""

    compute: Compute
    enlargers: tuple[str, ...]
    methods: dict[str, dict[str, Any]]
    scales: tuple[Count, ...]
    seed: int


def fuse(
    params: Params, *, fuser: str, split: Path, sources: Path, enlarged: Path, out: Path
) -> None:
    """Write what `fuser` makes of `sources` and all folders in `enlarged` to folders of `out`."""
    method = methods.build(fuser, params.methods[fuser], None)
    write_all(fuser, method, params, split, sources, enlarged, out)


if __name__ == "__main__":
    cli.run(fuse)
