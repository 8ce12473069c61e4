"""Seconds and megabytes of the bitonic filter and of BitonicX: python benchmarks/bitonicx.py.

    python benchmarks/bitonicx.py [--pixels 256] [--group DIR] [--against SRC]

Without `--group`, a folder of three images as in an image folder, a synthetic brain is fused.
`--against` names the folder `src` of another version of this repository, which is timed in turn
with this one. All on one core, at the released threshold of 3: masks of 31 x 31 pixels, means of
37 x 37. Times are those of the processor, so that other work on the machine disturbs them less.

The floor for 256 x 256 pixels, six filters a fusion, with vectors of 8 float64 or of 4 words:

* means: 684 pairs a pixel, two passes a filter: 5.4e8 pairs, each with a division that must be
  rounded as it is. A vector of them takes the unit for divisions 16 cycles: 1.1e9 cycles. The 15 to
  19 other operations of a vector fit beside them. Pixels whose neighbourhood is black are left out;
* masks: three lists a filter (opening and closing need one of their own), 1.2e6 sets of 48 words,
  each made, cut twice and counted: 1.1e8 instructions; 5e7 more to find the ranks;
* CNP: 49 neighbours, 110 iterations, two images: 8.8e7 instructions, each with a load across two
  cache lines, in as many cycles; PAPCNN a sixth of it;
* tensors, sorting, the rest: linear filters of 37 taps, six passes: 3e7 instructions.

Together 1.4e9 cycles, 0.4 s at 3.3 GHz. Bytes matter little: an image has 0.5 MB, the weights
between two rows 90 kB, the sets of a tile 220 kB, which caches of 2 MB hold. The networks pass
through 4 MB an iteration, 0.9 GB in all.
"""

import argparse
import os
import resource
import subprocess
import sys
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
    parser.add_argument("--against", type=Path, help="folder src of another version")
    parser.add_argument("--brief", action="store_true", help="print the seconds of a fusion only")
    arguments = parser.parse_args()
    images = read(arguments.group) if arguments.group else synthetic(arguments.pixels)
    if arguments.brief:
        fuse(images)
        print(best(lambda: fuse(images)))
        return
    if arguments.against:
        compare(arguments.against)
        return
    before = peak_megabytes()
    first = seconds(lambda: fuse(images))
    print(f"{images[0].shape[0]} x {images[0].shape[1]} pixels, 1 core, best of {REPEATS}")
    print(f"fusion, first call  {first:6.2f} s (compiles where no compiled code is cached)")
    print(f"fusion, later calls {best(lambda: fuse(images)):6.2f} s (target at 256 x 256: 0.8 s)")
    print(f"one bitonic filter  {best(lambda: bitonic(images[0], SETTINGS.threshold)):6.2f} s")
    print(f"peak memory {peak_megabytes():.0f} MB, {before:.0f} MB of it before the first call")


def compare(other: Path) -> None:
    """Time this version and the one in the folder `other` in turn, each in a process of its own."""
    times: dict[Path, list[float]] = {Path(__file__).parents[1] / "src": [], other: []}
    for _ in range(REPEATS):
        for source, seconds_of_source in times.items():
            command = [sys.executable, *sys.argv, "--brief"]
            environment = {**os.environ, "PYTHONPATH": str(source.resolve())}
            result = subprocess.run(command, env=environment, capture_output=True, check=True)
            seconds_of_source.append(float(result.stdout))
    ours, theirs = (min(values) for values in times.values())
    print(f"fusion {ours:.2f} s, the other version {theirs:.2f} s: {theirs / ours:.2f} times")


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
