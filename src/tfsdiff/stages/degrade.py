"""Reduce the high-resolution sources to low resolution: bicubic with anti-aliasing, 8 bit.

Reads and writes an image folder.
"""

from pathlib import Path

from tfsdiff.common.errors import InputError
from tfsdiff.data.resample import reduce
from tfsdiff.params import Compute, Section
from tfsdiff.stages.support import cli
from tfsdiff.stages.support.image_folders import map_folder


class Params(Section):
    """The parameters that this stage may read."""

    compute: Compute


def degrade(params: Params, *, scale: int, sources: Path, out: Path) -> None:
    """Write the image folder `sources`, `scale` times smaller, to the image folder `out`."""
    try:
        map_folder(sources, out, lambda image: reduce(image, scale), f"degrade x{scale}")
    except ValueError as error:
        raise InputError(f"scale {scale}: {error}; change resolution.hr_pixels or scales") from None


if __name__ == "__main__":
    cli.run(degrade)
