"""What each peculiarity of the released CTSR changes: python benchmarks/quirks.py --shared DIR.

    python benchmarks/quirks.py --shared ../shared [--groups case28-010 case36-034 petnormal-023]

For each group, in the given order, the PSNR between the fusion as released, by the authors'
dictionary, and the fusion with one choice changed; more decibels are less change. The last choices
are dictionaries learned from all other groups of the folder, as the profile harvard learns them.
The letters are those of docs/methods/ctsr.md.
"""

import argparse
from functools import partial
from pathlib import Path

import numpy as np
from bitonicx import read

from tfsdiff.methods.classical import Group, PairFusion, fuse_two_by_two
from tfsdiff.methods.ctsr.dictionary import improve, initial, read_dictionary, training_patches
from tfsdiff.methods.ctsr.laplacian import brighter_or_sharper, modified_laplacian
from tfsdiff.methods.ctsr.method import RELEASED, Settings, smoothed
from tfsdiff.methods.ctsr.sparse import LENGTH, assemble, encode, fuse_sparse, patches

GROUPS = ("case28-010", "case36-034", "petnormal-023")
SETTINGS = Settings(**RELEASED)
PATCHES, ITERATIONS = 16_000, 60  # of the profile harvard
LUMINANCE = np.array([0.299, 0.587, 0.114])


def main() -> None:
    """Print a line for each choice."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", type=Path, required=True, help="folder with data and weights")
    parser.add_argument("--groups", nargs="+", default=GROUPS)
    arguments = parser.parse_args()
    dictionary = read_dictionary(arguments.shared / "weights/ctsr_dictionary_512.mat")
    folder = arguments.shared / "data/harvard-triples/images"
    groups = [Group(*read(folder / name)) for name in arguments.groups]
    released = {"texture": partial(sparse, dictionary), "structure": structure}
    changes = {
        "R1 window of 5 pixels": {"structure": partial(structure, window=5)},
        "R4 plain maximum": {"structure": np.maximum},
        "R5 clipped between the calls": {"clip": True},
        "R6 patches without their mean": {"texture": partial(sparse_without_mean, dictionary)},
    }
    print("PSNR to the fusion as released [dB]:", *arguments.groups)
    expected = [fuse(group, **released) for group in groups]
    for name, change in changes.items():
        changed = [fuse(group, **released | change) for group in groups]
        print(name, *(f"{psnr(*pair):.1f}" for pair in zip(changed, expected, strict=True)))
    others = [read(path) for path in sorted(folder.iterdir()) if path.name not in arguments.groups]
    for source in ("images", "textures"):
        texture = partial(sparse, learned(others, source))
        changed = [fuse(group, texture, structure) for group in groups]
        scores = (f"{psnr(*pair):.1f}" for pair in zip(changed, expected, strict=True))
        print(f"dictionary learned from {source} of {len(others)} groups", *scores)
    print(
        "R3 undecided pixels of the first call:", *(f"{undecided(group):.0%}" for group in groups)
    )


def fuse(
    group: Group, texture: PairFusion, structure: PairFusion, clip: bool = False
) -> np.ndarray:
    """Fuse the group by these rules; `clip` limits what the first call passes on to [0, 1]."""

    def pair(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        smooth = smoothed(first, SETTINGS), smoothed(second, SETTINGS)
        return texture(first - smooth[0], second - smooth[1]) + structure(*smooth)

    def passed_on(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        return pair(first, second).clip(0, 1) if clip else pair(first, second)

    return fuse_two_by_two(group, passed_on, pair)[0]


def structure(first: np.ndarray, second: np.ndarray, window: int = 3) -> np.ndarray:
    """The rule as released, with another window of the sharpness."""
    return brighter_or_sharper(first, second, SETTINGS.threshold, window)


def sparse(dictionary: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Textures by sparse codes, as released."""
    return fuse_sparse(first, second, dictionary, SETTINGS.stride, SETTINGS.error)


def sparse_without_mean(
    dictionary: np.ndarray, first: np.ndarray, second: np.ndarray
) -> np.ndarray:
    """Code patches without their means; each mean goes with the code that is chosen."""
    both = [patches(image, SETTINGS.stride) for image in (first, second)]
    vectors = [one.reshape(-1, LENGTH) for one in both]
    means = [one.mean(1, keepdims=True) for one in vectors]
    codes = [
        encode(one - mean, dictionary, SETTINGS.error, LENGTH)
        for one, mean in zip(vectors, means, strict=True)
    ]
    norms = [np.abs(code.weights).sum(1, keepdims=True) for code in codes]
    decoded = [code.decode(dictionary) + mean for code, mean in zip(codes, means, strict=True)]
    chosen = np.where(norms[0] >= norms[1], *decoded)
    return assemble(chosen.reshape(both[0].shape), SETTINGS.stride, (first + second) / 2)


def learned(groups: list[tuple[np.ndarray, ...]], source: str) -> np.ndarray:
    """Dictionary of the luminances of `groups`, or of their textures."""
    images = [image for a, b, rgb in groups for image in (a, b, rgb @ LUMINANCE)]
    if source == "textures":
        images = [image - smoothed(image, SETTINGS) for image in images]
    rng = np.random.default_rng(0)
    vectors = training_patches(images, PATCHES, rng)
    dictionary = initial(vectors, SETTINGS.atoms, rng)
    for _ in range(ITERATIONS):
        dictionary = improve(vectors, dictionary, SETTINGS.sparsity, rng)
    return dictionary


def undecided(group: Group) -> float:
    """Share of the pixels at which neither structure is brighter nor sharper."""
    first, second = smoothed(group.anatomical_1, SETTINGS), smoothed(group.anatomical_2, SETTINGS)
    tie = np.abs(first - second) < SETTINGS.threshold
    sharp = [modified_laplacian(image, SETTINGS.window_pixels) for image in (first, second)]
    return float((tie & (sharp[0] == sharp[1])).mean())


def psnr(first: np.ndarray, second: np.ndarray) -> float:
    """Of images in [0, 1], in dB."""
    return -10 * float(np.log10(np.square(first - second).mean()))


if __name__ == "__main__":
    main()
