"""What the checks of candidate groups find: python benchmarks/checks.py --shared ../shared.

    python benchmarks/checks.py [--shared DIR] [--every 1] [--pairs 10]

Groups and pairs as they are should pass; copies that are shifted, rotated, cut or emptied should
not. Every `--every`-th group and every `--pairs`-th pair is used. A floor of the time: the joint
histograms alone, of as many shifts, by numpy's `bincount` of prepared indices.
"""

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from scipy import ndimage

from tfsdiff.acquisition.atlas.checks import (
    COARSE,
    LEVELS,
    REFINED,
    content_share,
    cut_share,
    displacement,
    examine,
)
from tfsdiff.compose import compose
from tfsdiff.data.images import Pixels, read
from tfsdiff.params import Checks

CONF = Path(__file__).resolve().parents[1] / "workflow/conf"
PIXELS = (4, 6, 8, 12, 16)
DEGREES = (5, 10)
CUTS = (0.1, 0.25, 0.5)
CIRCLES = (0.9, 0.75, 0.5)  # radius of the field of view, by half the extent
DIRECTIONS = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0)]

Named = tuple[str, tuple[Pixels, ...]]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", type=Path, required=True, help="folder of shared data")
    parser.add_argument("--every", type=int, default=1, help="use every n-th group")
    parser.add_argument("--pairs", type=int, default=10, help="use every n-th pair")
    given = parser.parse_args()
    limits = Checks.model_validate(compose(["data=atlas"], CONF)["data"]["checks"])
    groups = list(read_groups(given.shared / "data/harvard-triples"))[:: given.every]
    pairs = list(read_pairs(given.shared / "data/harvard-pairs"))[:: given.pairs]
    print(f"{limits}\n")
    as_they_are(groups, limits)
    pairs_as_they_are(pairs, limits)
    moved(groups, limits)
    cut([images[2] for _, images in groups], limits)
    emptied(groups, limits)
    floor(limits)


def read_groups(folder: Path) -> Iterator[Named]:
    """Groups of the shared data, functional image last."""
    for group in sorted((folder / "images").iterdir()):
        paths = sorted(group.glob("*.png"), key=lambda path: path.stem.startswith(("PET", "SPECT")))
        yield group.name, tuple(read(path) for path in paths)


def read_pairs(folder: Path) -> Iterator[Named]:
    """Pairs of the shared data, MR first."""
    for pair in sorted(folder.glob("*/*")):
        paths = sorted(pair.glob("*.png"), key=lambda path: path.stem != "MR")
        yield f"{pair.parent.name}/{pair.name}", tuple(read(path) for path in paths)


def as_they_are(groups: Sequence[Named], limits: Checks) -> None:
    """Groups that are rejected although nothing was done to them, and the time a group takes."""
    start = time.process_time()
    found = [(name, examine(images, "ABF", limits)) for name, images in groups]
    seconds = (time.process_time() - start) / len(groups)
    failed = [(name, one) for name, all_of in found for one in all_of if not one.passed]
    rejected = len({name for name, _ in failed})
    print(f"groups as they are: {rejected} of {len(groups)} rejected; {1000 * seconds:.0f} ms each")
    for name, one in failed:
        print(f"  {name:16s} {one.check:20s} {one.value:6.2f}")


def pairs_as_they_are(pairs: Sequence[Named], limits: Checks) -> None:
    """Pairs that are rejected: by their displacement, or by a cut of the functional image."""
    for kind in sorted({name.split("/")[0] for name, _ in pairs}):
        chosen = [images for name, images in pairs if name.startswith(kind)]
        far = sum(displacement(*x, limits.search_pixels) > limits.shift_pixels for x in chosen)
        functional = [second for _, second in chosen if second.ndim == 3]
        ends = sum(cut_share(image) > limits.cut_share for image in functional)
        print(
            f"pairs as they are: {kind:8s} {far} of {len(chosen)} displaced, "
            f"{ends} of {len(functional)} cut"
        )


def moved(groups: Sequence[Named], limits: Checks) -> None:
    """One image shifted (in turn in each of 8 directions) or rotated: any pair beyond the limit."""
    print("\nmoved by          2nd anatomical   functional   of groups that pass as they are")
    usable = [images for _, images in groups if not displaced(images, limits)]
    for pixels in PIXELS:
        row(f"{pixels} pixels", usable, limits, lambda image, i, p=pixels: shifted(image, i, p))
    for degrees in DEGREES:
        row(f"{degrees} degrees", usable, limits, lambda image, _, d=degrees: turned(image, d))


def row(name: str, groups: Sequence, limits: Checks, move: Callable) -> None:
    """Print how many of the groups are found, where one image of each was moved."""
    rates = []
    for which in (1, 2):
        made = [
            tuple(move(image, i) if k == which else image for k, image in enumerate(images))
            for i, images in enumerate(groups)
        ]
        rates.append(np.mean([displaced(images, limits) for images in made]))
    print(f"{name:18s}{rates[0]:14.0%}{rates[1]:13.0%}")


def displaced(images: Sequence[Pixels], limits: Checks) -> bool:
    """Whether any of the three pairs is beyond the limit."""
    return any(
        displacement(images[a], images[b], limits.search_pixels) > limits.shift_pixels
        for a, b in ((0, 1), (0, 2), (1, 2))
    )


def shifted(image: Pixels, which: int, pixels: int) -> Pixels:
    """Move by so many pixels in one of eight directions, background (0) coming in."""
    direction = np.array(DIRECTIONS[which % len(DIRECTIONS)], dtype=float)
    by = np.rint(direction / np.hypot(*direction) * pixels)
    return ndimage.shift(image, (*by, 0)[: image.ndim], order=0)


def turned(image: Pixels, degrees: float) -> Pixels:
    """Rotate around the middle."""
    return ndimage.rotate(image, degrees, axes=(1, 0), reshape=False, order=1)


def cut(images: Sequence[Pixels], limits: Checks) -> None:
    """Functional images cut by a line, in turn from each of 8 sides, or by a circle."""
    whole = [image for image in images if cut_share(image) <= limits.cut_share]
    print(f"\ncut: found, of {len(whole)} functional images that pass as they are")
    for share in CUTS:
        found = [cut_share(by_line(x, i * np.pi / 4, share)) for i, x in enumerate(whole)]
        print(f"{share:.0%} by a line        {np.mean(np.array(found) > limits.cut_share):6.0%}")
    for radius in CIRCLES:
        found = [cut_share(by_circle(image, radius)) for image in whole]
        print(f"circle of {radius:.2f}      {np.mean(np.array(found) > limits.cut_share):6.0%}")


def by_line(image: Pixels, angle: float, share: float) -> Pixels:
    """Blacken so much of the extent, seen in the direction `angle`."""
    down, right = np.indices(image.shape[:2])
    along = down * np.sin(angle) + right * np.cos(angle)
    seen = along[image.max(2) > 0.15 * image.max()]
    return image * (along <= seen.max() - share * np.ptp(seen))[..., None]


def by_circle(image: Pixels, radius: float) -> Pixels:
    """Blacken what is outside a circle of so much of half the extent's larger side."""
    down, right = np.nonzero(image.max(2) > 0.15 * image.max())
    half = radius * max(np.ptp(down), np.ptp(right)) / 2
    y, x = np.indices(image.shape[:2])
    inside = np.hypot(y - down.mean(), x - right.mean()) <= half
    return image * inside[..., None]


def emptied(groups: Sequence[Named], limits: Checks) -> None:
    """Shares of content: the least of real images, and of what shows nothing."""
    draw = np.random.default_rng(0)
    least = min((content_share(x), name) for name, images in groups for x in images)
    print(f"\ncontent: least of real images {least[0]:.3f} ({least[1]})")
    for name, image in {
        "black": np.zeros((256, 256), np.uint8),
        "noise, sd 5": np.abs(draw.normal(0, 5, (256, 256))).astype(np.uint8),
        "noise, sd 15": np.abs(draw.normal(0, 15, (256, 256))).astype(np.uint8),
        "noise, sd 40": np.abs(draw.normal(0, 40, (256, 256))).clip(0, 255).astype(np.uint8),
    }.items():
        share = content_share(image)
        print(f"{name:14s}{share:6.3f} {'passes' if share >= limits.content_share else 'rejected'}")


def floor(limits: Checks) -> None:
    """Time of a pair, and of its joint histograms alone."""
    draw = np.random.default_rng(0)
    images = draw.integers(0, 256, (2, 256, 256), dtype=np.uint8)
    side = 256 - 2 * limits.search_pixels
    coarse, fine = (side // COARSE) ** 2, side**2
    counts = ((2 * (limits.search_pixels // COARSE) + 1) ** 2, (2 * REFINED + 1) ** 2)
    start = time.process_time()
    displacement(images[0], images[1], limits.search_pixels)
    pair = time.process_time() - start
    start = time.process_time()
    for size, count in zip((coarse, fine), counts, strict=True):
        joint = draw.integers(0, LEVELS**2, size)
        for _ in range(count):
            np.bincount(joint, minlength=LEVELS**2)
    print(f"\na pair {1000 * pair:.0f} ms; floor {1000 * (time.process_time() - start):.0f} ms")


if __name__ == "__main__":
    main()
