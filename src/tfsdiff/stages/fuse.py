"""Fuse three high-resolution sources of every test group with a member that works at one size.

Reads: the split, an image folder with at least the test groups, the fitted fuser. Writes: GROUP.png
a test group.
"""

from pathlib import Path

from tfsdiff import backend, seeding, zoo
from tfsdiff.data.dataset import load_batch, select
from tfsdiff.params import Compute, Section
from tfsdiff.progress import progress
from tfsdiff.stages import _cli
from tfsdiff.stages._folders import write_fused


class Params(Section):
    """What this stage may see."""

    compute: Compute
    seed: int


def fuse(params: Params, *, fuser: str, split: Path, sources: Path, model: Path, out: Path) -> None:
    """Write what `fuser`, fitted as `model`, makes of the test groups in `sources`."""
    member = zoo.load_member(model, backend.make(params.compute))

    def fused():
        for group in progress(select(sources, split, "test"), fuser):
            noise = seeding.generator(params.seed, "fuse", fuser, group.group)
            yield group.group, member.fuse(load_batch(sources, [group]), [noise])[0]

    write_fused(out, fused())


if __name__ == "__main__":
    _cli.run(fuse)
