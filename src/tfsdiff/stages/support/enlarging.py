"""Helper shared by the stages that enlarge."""

from collections.abc import Iterator
from pathlib import Path

from tfsdiff.common.progress import progress
from tfsdiff.core import seeding
from tfsdiff.data.dataset import batches, select
from tfsdiff.data.images import Pixels
from tfsdiff.data.slices import Group, write_folder
from tfsdiff.methods.base import Enlarger
from tfsdiff.stages.support.image_folders import source_pixels


def write_enlarged(
    enlarger: Enlarger, seed: int, size: int, split: Path, low: Path, out: Path
) -> None:
    """Write the test groups of the image folder `low`, enlarged `size` at a time, to `out`."""
    groups = select(low, split, "test")
    by_name = {group.group: group for group in groups}

    def enlarged() -> Iterator[tuple[Group, list[Pixels]]]:
        for batch in progress(list(batches(low, groups, size)), out.name):
            noise = [
                seeding.generator(seed, "enlarge", name, slot)
                for name in batch.groups
                for slot in range(batch.sources.shape[1])
            ]
            images = enlarger.enlarge(batch.sources.flatten(0, 1), noise)
            for name, sources in zip(batch.groups, images.unflatten(0, (-1, 3)), strict=True):
                yield by_name[name], source_pixels(sources)

    write_folder(out, enlarged())
