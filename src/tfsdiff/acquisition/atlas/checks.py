"""Checks of a candidate group: registration, truncation by the field of view, empty slices.

`displacement A / B`  Copies of B are shifted over A by whole pixels; the shift of most mutual
    information must be near zero. Mutual information needs no common brightness, only that equal
    tissue is shown alike within each image. Every shift is compared over the same pixels of A, its
    middle, so that no background has to be invented and no shift is favoured by its overlap.
`cut F`  The extent of the uptake (largest connected region, holes filled) is touched by straight
    lines from all sides. A head is round and touches a line along a small share of its length in
    that direction; one cut by the field of view touches it along a large share.
`content A`  Share of pixels above background level.

Detected rarely: shifts of 4 pixels, rotations, narrow cuts. Not detected: a round field of view
smaller than the head, and noise so strong that it passes for content. `benchmarks/checks.py`
measures the rates.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from tfsdiff.data.images import Pixels
from tfsdiff.params import Checks

LEVELS = 32  # of brightness, in the joint histogram
BLUR_PIXELS = 2.0  # standard deviation, before brightness is compared: against noise
EDGE_BLUR_PIXELS = 1.0  # the same, before the extent is found: more would round its corners
COARSE = 2  # pixels between the shifts that are tried first
REFINED = 2  # pixels around the best of them that are tried next
SHOWN = 16  # of 255: darker is background, also where JPEG has left its traces
UPTAKE = 0.15  # of the image's maximum: within the extent
TOUCH_PIXELS = 2.5  # from a line: touches it
DIRECTIONS = 240  # of lines, all around

Signal = NDArray[np.float64]


@dataclass(frozen=True)
class Finding:
    """One measure of one check.

    Attributes:
        check: what was measured, and of which images, e.g. `displacement MR-T2 / CT`.
        value: pixels for a displacement, otherwise a share.
        limit: at most for `displacement` and `cut`, at least for `content`.
        passed: whether the value keeps the limit.
    """

    check: str
    value: float
    limit: float
    passed: bool


def examine(images: Sequence[Pixels], names: Sequence[str], settings: Checks) -> list[Finding]:
    """Measure everything about a group.

    Args:
        images: uint8 (H, W), or (H, W, 3) in the atlas's colours; the last one is functional.
        names: their modalities.
        settings: the limits.

    Raises:
        ValueError: the images differ in size, or the names in number.
    """
    if len({image.shape[:2] for image in images}) != 1:
        raise ValueError(f"sizes differ: {[image.shape[:2] for image in images]}")
    named = list(zip(names, images, strict=True))
    functional, uptake = named[-1]
    findings = []
    for (first, a), (second, b) in combinations(named, 2):
        found = displacement(a, b, settings.search_pixels)
        findings.append(_at_most(f"displacement {first} / {second}", found, settings.shift_pixels))
    findings.append(_at_most(f"cut {functional}", cut_share(uptake), settings.cut_share))
    for name, image in named:
        share, least = content_share(image), settings.content_share
        findings.append(Finding(f"content {name}", share, least, share >= least))
    return findings


def displacement(first: Pixels, second: Pixels, search: int) -> float:
    """Pixels between the images as they are and the shift of most mutual information.

    Args:
        first: uint8 (H, W) or (H, W, 3).
        second: as large.
        search: whole pixels, up, down, left and right, within which shifts are tried.

    Returns:
        0 in register, at most `search` * sqrt(2); 0 too where no shift has more mutual
        information than none, as for images without content.

    Raises:
        ValueError: the images differ in size, or are too small for the search.
    """
    if first.shape[:2] != second.shape[:2]:
        raise ValueError(f"sizes differ: {first.shape[:2]} and {second.shape[:2]}")
    if min(first.shape[:2]) <= 2 * search:
        raise ValueError(f"{first.shape[:2]} pixels are too few to search {search} around")
    levels = _levels(first), _levels(second)
    reach = search // COARSE * COARSE
    grid = range(-reach, reach + 1, COARSE)
    down, right = _best(levels, search, ((y, x) for y in grid for x in grid), COARSE)
    near = range(-REFINED, REFINED + 1)
    around = ((down + y, right + x) for y in near for x in near)
    inside = [shift for shift in around if max(map(abs, shift)) <= search]
    return float(np.hypot(*_best(levels, search, inside, 1)))


def cut_share(functional: Pixels) -> float:
    """Largest share of the extent of the uptake that lies on one straight line at its border.

    Args:
        functional: uint8 (H, W) or (H, W, 3).

    Returns:
        Length on the line, by the length of the extent in its direction, in [0, 1]; 0 where there
        is no uptake. A disc of radius r has about sqrt(2 * 2.5 / r).
    """
    across, along = np.nonzero(_border(_extent(functional)))
    if not len(across):
        return 0.0
    angles = np.arange(DIRECTIONS) * (2 * np.pi / DIRECTIONS)
    return max(_on_line(across, along, angle) for angle in angles)


def content_share(image: Pixels) -> float:
    """Share of pixels above background level, in [0, 1], of uint8 (H, W) or (H, W, 3).

    An image of one level has no content, however bright it is.
    """
    signal = _signal(image)
    if np.ptp(signal) == 0:
        return 0.0
    return float(np.mean(ndimage.uniform_filter(signal, 5, mode="nearest") >= SHOWN))


def _at_most(check: str, value: float, limit: float) -> Finding:
    return Finding(check, value, limit, value <= limit)


def _signal(image: Pixels) -> Signal:
    # The strongest channel: colour maps begin with blue or purple, whose luminance is next to none,
    # so that luminance would lose the rim of the uptake.
    return (image.max(axis=2) if image.ndim == 3 else image).astype(np.float64)


def _levels(image: Pixels) -> NDArray[np.int64]:
    # Equal steps from zero to the 99.5th percentile, which a single bright spot does not change.
    values = ndimage.gaussian_filter(_signal(image), BLUR_PIXELS, mode="nearest")
    top = max(float(np.percentile(values, 99.5)), 1.0)
    return np.minimum(values * (LEVELS / top), LEVELS - 1).astype(np.int64)


def _best(
    levels: tuple[NDArray[np.int64], NDArray[np.int64]],
    margin: int,
    shifts: Iterable[tuple[int, int]],
    step: int,
) -> tuple[int, int]:
    # Of equally good shifts the smallest; every `step`-th pixel in both directions is compared.
    height, width = levels[0].shape
    middle = levels[0][margin : height - margin : step, margin : width - margin : step] * LEVELS

    def information(shift: tuple[int, int]) -> float:
        top, left = margin + shift[0], margin + shift[1]
        bottom, end = top + height - 2 * margin, left + width - 2 * margin
        return _information(middle + levels[1][top:bottom:step, left:end:step])

    return max(shifts, key=lambda shift: (round(information(shift), 9), -np.hypot(*shift)))


def _information(joint: NDArray[np.int64]) -> float:
    # Mutual information in nats, from LEVELS * (level of the first) + (level of the second).
    counts = np.bincount(joint.ravel(), minlength=LEVELS**2).reshape(LEVELS, LEVELS)
    total = joint.size
    both = _entropy(counts.ravel(), total)
    return _entropy(counts.sum(0), total) + _entropy(counts.sum(1), total) - both


def _entropy(counts: NDArray[np.int64], total: int) -> float:
    shares = counts[counts > 0] / total
    return float(-np.sum(shares * np.log(shares)))


def _extent(image: Pixels) -> NDArray[np.bool_]:
    values = ndimage.gaussian_filter(_signal(image), EDGE_BLUR_PIXELS, mode="nearest")
    regions, count = ndimage.label(values >= max(UPTAKE * values.max(), SHOWN))
    if count == 0:
        return np.zeros(values.shape, dtype=bool)
    sizes = np.bincount(regions.ravel())[1:]
    return ndimage.binary_fill_holes(regions == 1 + np.argmax(sizes))


def _border(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return mask & ~ndimage.binary_erosion(mask, border_value=0)


def _on_line(down: NDArray[np.int64], right: NDArray[np.int64], angle: float) -> float:
    # The line touches the points from the side `angle`; which whole pixels along it are touched?
    out = down * np.sin(angle) + right * np.cos(angle)
    along = np.floor(down * np.cos(angle) - right * np.sin(angle)).astype(np.int64)
    touched = np.unique(along[out >= out.max() - TOUCH_PIXELS])
    return len(touched) / float(along.max() - along.min() + 1)
