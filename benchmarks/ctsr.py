"""Seconds and megabytes of CTSR and of its dictionary learning: python benchmarks/ctsr.py.

    python benchmarks/ctsr.py [--pixels 256] [--group DIR] [--dictionary FILE]

Without `--group` a synthetic brain is fused, without `--dictionary` by one learned of it, 512 atoms
as released. All on one core, by processor time, as in benchmarks/bitonicx.py.

The floor for 256 x 256 pixels of an atlas slice, at 4 float64 an instruction and one instruction a
cycle:

* codes: four images of 15,625 patches, about half of them more than background, 31 atoms each. A
  pursuit of k atoms makes 512 k^2 / 2 multiplications and additions to keep them orthogonal, 512 k
  to correct the correlations, and 512 k comparisons (one a cycle) to choose: 2.8e5 operations a
  patch and 1.6e4 comparisons, 8.6e9 and 5e8 in all, 2.6e9 cycles;
* correlations: 64 x 512 a patch, 1e9 operations, 2.6e8 cycles;
* rolling guidance: twelve passes of two grids with 2e5 cells, nine operations each, and 65,536
  readings of eight cells: 1e8 operations. Patches cut and pasted: 64 x 15,625 x 8 bytes an image,
  three times, 1e8 bytes in all.

Together 2.9e9 cycles, 0.9 s at 3.3 GHz. Bytes: products of atoms with each other 2 MB, the working
set of a pursuit 0.25 MB, codes of an image 12 MB, so that vectors come from the second cache. The
target is 3 s. Learning costs a pursuit of 20 atoms a patch and an iteration, 1.1e5 operations and
1e4 comparisons, 4e4 cycles: 0.2 s an iteration of 16,000 patches, as much again for the curve.
"""

import argparse
from pathlib import Path

import numpy as np
from bitonicx import REPEATS, best, peak_megabytes, read, seconds, synthetic

from tfsdiff.methods.classical import Group
from tfsdiff.methods.ctsr.dictionary import improve, initial, read_dictionary, training_patches
from tfsdiff.methods.ctsr.method import RELEASED, Settings, fuse_ctsr, smoothed
from tfsdiff.methods.ctsr.sparse import fuse_sparse

SETTINGS = Settings(**RELEASED)


def main() -> None:
    """Time learning, fusion and its parts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pixels", type=int, default=256, help="side of the synthetic images")
    parser.add_argument("--group", type=Path, help="folder with the three images of a group")
    parser.add_argument("--dictionary", type=Path, help="file; absent: learned of the group")
    arguments = parser.parse_args()
    images = read(arguments.group) if arguments.group else synthetic(arguments.pixels)
    before = peak_megabytes()
    dictionary = read_dictionary(arguments.dictionary) if arguments.dictionary else learn(images)
    fine = [image - smoothed(image, SETTINGS) for image in images[:2]]

    def fuse() -> object:
        return fuse_ctsr(Group(*images), dictionary, SETTINGS)

    def codes() -> object:
        return fuse_sparse(*fine, dictionary, SETTINGS.stride, SETTINGS.error)

    first = seconds(fuse)
    print(f"{images[0].shape[0]} x {images[0].shape[1]} pixels, 1 core, best of {REPEATS}")
    print(f"fusion, first call  {first:6.2f} s (compiles where no compiled code is cached)")
    print(f"fusion, later calls {best(fuse):6.2f} s (target at 256 x 256: 3 s)")
    print(f"one sparse fusion   {best(codes):6.2f} s")
    print(f"one rolling filter  {best(lambda: smoothed(images[0], SETTINGS)):6.2f} s")
    print(f"peak memory {peak_megabytes():.0f} MB, {before:.0f} MB of it before the first call")


def learn(images: tuple[np.ndarray, np.ndarray, np.ndarray]) -> np.ndarray:
    """Dictionary after a few iterations on patches of the images, which are timed."""
    rng = np.random.default_rng(0)
    first, second, functional = images
    greys = [first, second, *np.moveaxis(functional, -1, 0)]
    vectors = training_patches(greys, SETTINGS.patches, rng)
    dictionary = initial(vectors, SETTINGS.atoms, rng)
    times = []
    for _ in range(5):
        start = dictionary
        dictionary = improve(vectors, start, SETTINGS.sparsity, rng)
        times.append(seconds(lambda d=start: improve(vectors, d, SETTINGS.sparsity, rng)))
    print(f"learning, {len(vectors)} patches: {min(times):.2f} s an iteration")
    return dictionary


if __name__ == "__main__":
    main()
