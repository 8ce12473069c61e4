"""Make the ground truth: BitonicX of the high-resolution sources.

Reads: an image folder. Writes: GROUP.png for every group.
"""

from pathlib import Path

from tfsdiff.common.progress import progress
from tfsdiff.core import seeding
from tfsdiff.data.dataset import load_batch
from tfsdiff.data.slices import read_manifest
from tfsdiff.methods.bitonicx.method import BitonicX, Settings
from tfsdiff.params import Compute, Section
from tfsdiff.stages.support import cli
from tfsdiff.stages.support.image_folders import write_fused


class Params(Section):
    """The parameters that this stage may read."""

    compute: Compute
    seed: int
    truth: Settings


def truth(params: Params, *, sources: Path, out: Path) -> None:
    """Fuse every group of the image folder `sources` to `out`/GROUP.png."""
    fuser = BitonicX(params.truth)

    def fused():
        for group in progress(read_manifest(sources), "truth"):
            noise = seeding.generator(params.seed, "truth", group.group)
            yield group.group, fuser.fuse(load_batch(sources, [group]), [noise])[0]

    write_fused(out, fused())


if __name__ == "__main__":
    cli.run(truth)
