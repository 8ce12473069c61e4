"""Take the pairs of images that fusers learn from beside the groups, at high resolution.

Reads: a pair folder, which may have no pair, and manifest and split of the groups.
Writes: a pair folder without the patients of the validation and test part.
"""

from pathlib import Path

from tfsdiff.common.progress import progress
from tfsdiff.data.images import Pixels, to_8bit, to_unit
from tfsdiff.data.pairs import read_images, read_pairs, without_patients, write_pairs
from tfsdiff.data.resample import resize
from tfsdiff.data.slices import read_manifest
from tfsdiff.data.split import read_split
from tfsdiff.params import Compute, Resolution, Section
from tfsdiff.stages.support import cli


class Params(Section):
    """The parameters that this stage may read."""

    compute: Compute
    resolution: Resolution


def pairs(params: Params, *, input: Path, raw: Path, split: Path, out: Path) -> None:
    """Write the pair folder `out` from `input`, without the patients tested on."""
    part_of = {place.group: place.part for place in read_split(split)}
    unseen = {g.patient for g in read_manifest(raw) if part_of.get(g.group) != "train"}
    found = without_patients(read_pairs(input), unseen)
    pixels = params.resolution.hr_pixels

    def image(stored: Pixels) -> Pixels:
        resized = to_8bit(resize(to_unit(stored), pixels))
        return resized if stored.ndim == 3 else resized[..., 0]

    write_pairs(
        out,
        (
            (pair, tuple(image(stored) for stored in read_images(input, pair)))
            for pair in progress(found, "pairs")
        ),
    )


if __name__ == "__main__":
    cli.run(pairs)
