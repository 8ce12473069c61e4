"""Fuse and super-resolve the low-resolution sources of the test groups with a joint network.

Reads: the split, low-resolution sources, the fitted network. Writes: GROUP.png a test group.
"""

from collections.abc import Iterator
from pathlib import Path

from torch import Tensor

from tfsdiff import methods
from tfsdiff.common.progress import progress
from tfsdiff.core import backend, seeding
from tfsdiff.data.dataset import batches, select
from tfsdiff.params import Compute, Sampling, Section
from tfsdiff.stages.support import cli
from tfsdiff.stages.support.image_folders import write_fused


class Params(Section):
    """The parameters that this stage may read."""

    compute: Compute
    sampling: Sampling
    seed: int


def sample(params: Params, *, split: Path, low: Path, model: Path, out: Path) -> None:
    """Write what `model` draws for the test groups in the image folder `low`."""
    method = methods.load_method(model, backend.make(params.compute), params.sampling)
    groups = select(low, split, "test")

    def drawn() -> Iterator[tuple[str, Tensor]]:
        for batch in progress(list(batches(low, groups, params.sampling.batch)), out.name):
            noise = [seeding.generator(params.seed, "sample", name) for name in batch.groups]
            yield from zip(batch.groups, method.fuse(batch, noise), strict=True)

    write_fused(out, drawn())


if __name__ == "__main__":
    cli.run(sample)
