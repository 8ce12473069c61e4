"""Enlarge the low-resolution sources of the test groups, one image at a time.

Reads: the split, low-resolution sources, the fitted enlarger. Writes: an image folder of the test
groups at high resolution, 8 bit; anatomical images as grey, whatever colour the enlarger gave them.
"""

from collections.abc import Iterator
from pathlib import Path

from tfsdiff import methods
from tfsdiff.common.progress import progress
from tfsdiff.core import backend, seeding
from tfsdiff.data.dataset import batches, select
from tfsdiff.data.images import Pixels
from tfsdiff.data.slices import Group, write_folder
from tfsdiff.params import Compute, Sampling, Section
from tfsdiff.stages.support import cli
from tfsdiff.stages.support.image_folders import source_pixels


class Params(Section):
    """What this stage may see."""

    compute: Compute
    sampling: Sampling
    seed: int


def enlarge(params: Params, *, split: Path, low: Path, model: Path, out: Path) -> None:
    """Write the test groups of the image folder `low`, enlarged by `model`, to `out`."""
    enlarger = methods.load_method(model, backend.make(params.compute), params.sampling)
    groups = select(low, split, "test")
    by_name = {group.group: group for group in groups}

    def enlarged() -> Iterator[tuple[Group, list[Pixels]]]:
        for batch in progress(list(batches(low, groups, params.sampling.batch)), out.name):
            noise = [
                seeding.generator(params.seed, "enlarge", name, slot)
                for name in batch.groups
                for slot in range(batch.sources.shape[1])
            ]
            images = enlarger.enlarge(batch.sources.flatten(0, 1), noise)
            for name, sources in zip(batch.groups, images.unflatten(0, (-1, 3)), strict=True):
                yield by_name[name], source_pixels(sources)

    write_folder(out, enlarged())


if __name__ == "__main__":
    cli.run(enlarge)
