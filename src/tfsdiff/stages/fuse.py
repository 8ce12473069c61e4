"""Fuse three high-resolution sources of every test group with a member that works at one size.

Reads: the split, an image folder with at least the test groups, the fitted fuser. Writes: GROUP.png
a test group.
"""

from pathlib import Path

from tfsdiff import methods
from tfsdiff.common.progress import progress
from tfsdiff.core import backend, seeding
from tfsdiff.data.dataset import load_batch, select
from tfsdiff.params import Compute, Section
from tfsdiff.stages.support import cli
from tfsdiff.stages.support.image_folders import write_fused


class Params(Section):
    """What this stage may see."""

    compute: Compute
    seed: int


def fuse(params: Params, *, fuser: str, split: Path, sources: Path, model: Path, out: Path) -> None:
    """Write what `fuser`, fitted as `model`, makes of the test groups in `sources`."""
    member = methods.load_method(model, backend.make(params.compute))

    def fused():
        for group in progress(select(sources, split, "test"), fuser):
            noise = seeding.generator(params.seed, "fuse", fuser, group.group)
            yield group.group, member.fuse(load_batch(sources, [group]), [noise])[0]

    write_fused(out, fused())


if __name__ == "__main__":
    cli.run(fuse)
