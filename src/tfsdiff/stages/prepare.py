"""Bring the raw slices to the high resolution of the experiment (`resolution.hr_pixels`).

Reads and writes an image folder. The kernel is that of the degradation.
"""

from pathlib import Path

from tfsdiff.data.resample import resize
from tfsdiff.params import Compute, Resolution, Section
from tfsdiff.stages.support import cli
from tfsdiff.stages.support.image_folders import map_folder


class Params(Section):
    """The parameters that this stage may read."""

    compute: Compute
    resolution: Resolution


def prepare(params: Params, *, raw: Path, out: Path) -> None:
    """Write the image folder `raw`, resized, to the image folder `out`."""
    map_folder(raw, out, lambda image: resize(image, params.resolution.hr_pixels), "prepare")


if __name__ == "__main__":
    cli.run(prepare)
