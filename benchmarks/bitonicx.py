"""Seconds and megabytes of the bitonic filter and of BitonicX: python benchmarks/bitonicx.py.

    python benchmarks/bitonicx.py [--pixels 256] [--group DIR]

Without `--group`, a folder of three images as in an image folder, a synthetic brain is fused. All
on one core, at the released threshold of 3: masks of 31 x 31 pixels, means of 37 x 37. Times are
those of the processor, so that other work on the machine disturbs them less.

The floor for 256 x 256 pixels, six filters a fusion, at 8 float64 or 32 short integers an
instruction and one instruction a cycle:

* means: 684 pairs a pixel, two passes a filter: 5.4e8 pairs. The weight of a pair costs about 16
  operations, one of them a division (10 cycles a vector, hidden by the rest at best), adding it up
  6 to 10: 1.3e10 operations, 1.6e9 instructions;
* masks: three lists a filter (opening and closing need one of their own) of 961 pixels with 8
  comparisons each: 9.1e9 comparisons, 2.8e8 instructions;
* CNP: 48 neighbours, 110 iterations, two images: 6.9e8 multiplications and additions, 1.7e8
  instructions; PAPCNN a sixth of it.

Together 2.1e9 cycles, 0.65 s at 3.3 GHz. Bytes do not matter: an image has 0.5 MB, a tile of the
rank filter 30 kB, the lists of all tiles 2 MB, so that all stays in the caches. The target is 2 s.
"""

import argparse
import resource
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from tfsdiff.methods.bitonicx.bitonic import bitonic
from tfsdiff.methods.bitonicx.method import Settings, fuse_bitonicx
from tfsdiff.methods.classical import Group

REPEATS = 5
SETTINGS = Settings(mode="paper", threshold=3.0, iterations=110, majority_pixels=19)


def main() -> None:
    """Time filter and fusion."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pixels", type=int, default=256, help="side of the synthetic images")
    parser.add_argument("--group", type=Path, help="folder with the three images of a group")
    arguments = parser.parse_args()
    images = read(arguments.group) if arguments.group else synthetic(arguments.pixels)
    before = peak_megabytes()
    first = seconds(lambda: fuse(images))
    print(f"{images[0].shape[0]} x {images[0].shape[1]} pixels, 1 core, best of {REPEATS}")
    print(f"fusion, first call  {first:6.2f} s (compiles where no compiled code is cached)")
    print(f"fusion, later calls {best(lambda: fuse(images)):6.2f} s (target at 256 x 256: 2 s)")
    print(f"one bitonic filter  {best(lambda: bitonic(images[0], SETTINGS.threshold)):6.2f} s")
    print(f"peak memory {peak_megabytes():.0f} MB, {before:.0f} MB of it before the first call")


def fuse(images: tuple[np.ndarray, np.ndarray, np.ndarray]) -> np.ndarray:
    """Fused image of the three sources."""
    return fuse_bitonicx(Group(*images), SETTINGS, np.random.default_rng(0))[0]


def read(folder: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two grey images and the coloured one of the folder of a group."""
    images = [np.asarray(Image.open(path)) / 255 for path in sorted(folder.glob("*.png"))]
    if sorted(image.ndim for image in images) != [2, 2, 3]:
        raise SystemExit(f"{folder}: must hold two grey images and one in RGB, as PNG")
    first, second, functional = sorted(images, key=np.ndim)
    return first, second, functional


def synthetic(pixels: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Textured ellipses on black, in 8 bits."""
    noise = np.random.default_rng(0).random((5, pixels, pixels))
    noise = np.stack(
        [gaussian_filter(image, sigma) for image, sigma in zip(noise, [1, 2, 5, 5, 5], strict=True)]
    )
    noise = (noise - noise.min((1, 2), keepdims=True)) / np.ptp(noise, (1, 2), keepdims=True)
    rows, columns = np.mgrid[-1 : 1 : pixels * 1j, -1 : 1 : pixels * 1j]
    images = np.round(255 * noise * ((rows / 0.85) ** 2 + (columns / 0.7) ** 2 < 1)) / 255
    coloured = images[2:].transpose(1, 2, 0)
    return images[0], images[1], coloured


def seconds(call: Callable[[], object]) -> float:
    """Processor time of one call."""
    start = time.process_time()
    call()
    return time.process_time() - start


def best(call: Callable[[], object]) -> float:
    """Shortest of some calls."""
    return min(seconds(call) for _ in range(REPEATS))


def peak_megabytes() -> float:
    """Largest resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
