"""Fuse three high-resolution sources of every test group with a member that works at one size.

Reads: the split, an image folder with at least the test groups. Writes: GROUP.png a test group.
"""

from pathlib import Path
from typing import Any

from tfsdiff import seeding, zoo
from tfsdiff.data.dataset import load_batch, select
from tfsdiff.params import Compute, Section
from tfsdiff.progress import progress
from tfsdiff.stages import _cli
from tfsdiff.stages._folders import write_fused


class Params(Section):
    """What this stage may see."""

    compute: Compute
    seed: int
    zoo: dict[str, dict[str, Any]]


def fuse(params: Params, *, fuser: str, split: Path, sources: Path, out: Path) -> None:
    """Write what `fuser` makes of the test groups in the image folder `sources`."""
    member = zoo.build(fuser, params.zoo[fuser], scale=None)

    def fused():
        for group in progress(select(sources, split, "test"), fuser):
            noise = seeding.generator(params.seed, "fuse", fuser, group.group)
            yield group.group, member.fuse(load_batch(sources, [group]), [noise])[0]

    write_fused(out, fused())


if __name__ == "__main__":
    _cli.run(fuse)
