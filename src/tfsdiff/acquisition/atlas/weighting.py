"""The weighting of an MR series, classified from its slices: MR-T1, MR-T2, MR-PD or MR-Gad.

Four numbers describe in a slice what a radiologist looks at. The brain is found by thresholds and
morphology; levels are relative to its median, so that no gain of the window matters.

`bright_over_median`  97th percentile. High in MR-T2, where CSF is brightest.
`dark_over_median`  10th percentile. Low in MR-T1 and MR-Gad, where CSF is darkest.
`cortex_over_white`  Mean of the outer rim of the brain over that of the depth below, CSF left out.
    Less than 1 in MR-T1 and MR-Gad, where grey matter is darker than white, else about 1 or more.
`enhancing_share`  Share of the brain in compact spots far brighter than white matter, inside it.
    It reveals contrast agent, and is used only where the other numbers indicate MR-T1.

Two steps. First MR-T1 like, MR-T2 or MR-PD: each is an independent normal distribution of the
logarithms of the first three (`TYPICAL`), plus a small constant density, so that no outlier
decides. Log-likelihoods are averaged over the slices and count as those of `EVIDENCE` slices at
most: slices of one head are not independent. Then MR-T1 or MR-Gad, by how many slices enhance.
With contrast agent, any number is as likely as any other, but nothing enhances in `BARREN` of the
series; without it, `FALSE_SPOTS` of the slices appear to enhance by mistake, but in `MIMICS` of the
series blood or fat looks the same. The prior is uniform over the weightings.

Contrast agent that no tissue takes up is indistinguishable from none: the confidence of MR-T1
therefore hardly exceeds 0.75, and that of MR-Gad, of which no real series was at hand, 0.88. Other
sequences (FLAIR, angiography) are assigned one of the four names too, without a low confidence that
would reveal them. Lengths are relative to the size of the head, except for the smoothing, which is
meant for about 256 pixels.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from tfsdiff.data.images import Pixels

WEIGHTINGS = ("MR-T1", "MR-T2", "MR-PD", "MR-Gad")

DOUBTFUL = 0.8
"""Series of lower confidence should be inspected: all of MR-T1, too, which may be MR-Gad."""

TYPICAL = {
    "MR-T1": ((0.221, 0.137), (-0.461, 0.112), (-0.100, 0.039)),
    "MR-T2": ((0.646, 0.167), (-0.300, 0.118), (0.048, 0.046)),
    "MR-PD": ((0.191, 0.077), (-0.163, 0.075), (0.019, 0.047)),
}
"""Centre and spread of `logarithms`; MR-T1 stands for MR-Gad as well.

Fitted by benchmarks/weighting.py to published slices of the atlas (MR-T1: 3 patients, MR-T2: 23,
MR-PD: 2) and, as one more patient, to phantoms, each in three windows.
"""

LIMITS = ((0.0, 0.8), (-0.5, 0.0), (-0.2, 0.2))  # values beyond them carry no more information
FLOOR = 0.1  # about a thousandth of the density in the middle
EVIDENCE = 3  # set by hand, as are FLOOR and LIMITS
CENTRAL = 0.5  # of the largest area of the brain
SPOTTED = 0.001  # share of the brain from which a slice enhances
FALSE_SPOTS = 0.04  # 5 of the 205 real slices of MR-T1 that count, rounded up: mostly bad masks
BARREN, MIMICS = 0.25, 0.1  # assumed

Mask = NDArray[np.bool_]
Typical = Mapping[str, Sequence[tuple[float, float]]]


@dataclass(frozen=True)
class Measures:
    """The measures of a slice, defined in the module's docstring: ratios of levels, and shares.

    The last is the share of the frame that is brain.
    """

    bright_over_median: float
    dark_over_median: float
    cortex_over_white: float
    enhancing_share: float
    brain_share: float


@dataclass(frozen=True)
class Weighting:
    """The classification of a series.

    Attributes:
        modality: one of `WEIGHTINGS`.
        confidence: its probability by the model of the module, in [0, 1].
        measures: mean of each of the `Measures` over the slices that count, and how many do
            (`slices`).
    """

    modality: str
    confidence: float
    measures: Mapping[str, float]


@dataclass(frozen=True)
class _Brain:
    # Smoothed image, brain and its radius, and how deep pixels lie below the brain's and the
    # head's surface, in radii of each.
    image: NDArray[np.float64]
    mask: Mask
    depth: NDArray[np.float64]
    below_skin: NDArray[np.float64]


def classify(slices: Sequence[Pixels]) -> Weighting:
    """Classify the weighting of a series from its slices, uint8 (H, W), in any order and number.

    Slices on which no brain is found are left out, and so are those near the vertex or the
    base, whose brain is less than half as large as the largest.

    Raises:
        ValueError: that leaves none, or a slice is no 8-bit grey image.
    """
    found = [measures for measures in map(measure, slices) if measures is not None]
    if not found:
        raise ValueError(f"none of {len(slices)} slices shows a brain; name the modality yourself")
    return decide(found)


def measure(image: Pixels) -> Measures | None:
    """Measure a slice, uint8 (H, W); None where no brain is found.

    Raises:
        ValueError: it is no 8-bit grey image.
    """
    if image.dtype != np.uint8 or image.ndim != 2:
        raise ValueError(f"a slice must be uint8 (H, W), not {image.dtype} {image.shape}")
    brain = _find_brain(image)
    return None if brain is None else _measure(brain)


def decide(found: Sequence[Measures], typical: Typical = TYPICAL) -> Weighting:
    """Classify the weighting from the measures of at least one slice of a series."""
    counting = central(found)
    like = _likeness(counting, typical)
    agent = _probability_of_agent(counting)
    chances = like | {"MR-T1": like["MR-T1"] * (1 - agent), "MR-Gad": like["MR-T1"] * agent}
    modality = max(WEIGHTINGS, key=chances.__getitem__)
    rows = [asdict(one) for one in counting]
    means = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
    return Weighting(modality, chances[modality], means | {"slices": float(len(counting))})


def central(found: Sequence[Measures]) -> list[Measures]:
    """Those slices of a series that are not near the vertex or the base, by the brain's area."""
    largest = max(one.brain_share for one in found)
    return [one for one in found if one.brain_share >= CENTRAL * largest]


def logarithms(measures: Measures) -> NDArray[np.float64]:
    """Logarithms of the first three measures, (3,), within `LIMITS`, as modelled by `TYPICAL`."""
    levels = measures.bright_over_median, measures.dark_over_median, measures.cortex_over_white
    low, high = zip(*LIMITS, strict=True)
    return np.clip(np.log(np.maximum(levels, 1e-3)), low, high)


def _likeness(found: Sequence[Measures], typical: Typical) -> dict[str, float]:
    values = np.stack([logarithms(one) for one in found])
    mean_log = {}
    for name, shape in typical.items():
        centre, spread = np.transpose(shape)
        density = np.exp(-0.5 * ((values - centre) / spread) ** 2) / (spread * math.sqrt(math.tau))
        mean_log[name] = np.log(density.prod(1) + FLOOR).mean() * min(len(found), EVIDENCE)
    top = max(mean_log.values())
    share = {name: math.exp(value - top) for name, value in mean_log.items()}
    # Two of the four weightings look like MR-T1, which therefore counts twice.
    share["MR-T1"] *= 2
    total = sum(share.values())
    return {name: value / total for name, value in share.items()}


def _probability_of_agent(found: Sequence[Measures]) -> float:
    count = len(found)
    spotted = sum(one.enhancing_share >= SPOTTED for one in found)
    ways = math.comb(count, spotted)
    mistaken = ways * FALSE_SPOTS**spotted * (1 - FALSE_SPOTS) ** (count - spotted)
    any_number = 1 / (count + 1)
    with_agent = BARREN * mistaken + (1 - BARREN) * any_number
    without = (1 - MIMICS) * mistaken + MIMICS * any_number
    return with_agent / (with_agent + without)


def _find_brain(image: Pixels) -> _Brain | None:
    smooth = ndimage.gaussian_filter(image.astype(np.float64), 0.7)
    head = _find_head(smooth)
    # Content that fills nearly the whole frame is no head, but noise or a picture without margin.
    if not 0.03 < head.mean() < 0.9:
        return None
    radius = _radius(head)
    below_skin = _depth(head)
    inner = smooth[(below_skin > 0.22 * radius) & (smooth > 0)]
    if not inner.size:
        return None
    level = np.median(inner[inner > 0.2 * np.median(inner)])
    tissue = (smooth > 0.5 * level) & (below_skin > 0.05 * radius)
    core = _main_parts(_depth(tissue) > 0.05 * radius, smooth)
    mask = _close(_distance(core) <= 0.06 * radius, 0.1 * radius) & head
    if mask.sum() < 0.25 * head.sum():
        return None
    return _Brain(smooth, mask, _depth(mask) / _radius(mask), below_skin / radius)


def _find_head(smooth: NDArray[np.float64]) -> Mask:
    # What is lit, without air; the closing bridges the dark skull.
    if smooth.max() <= 0:
        return np.zeros(smooth.shape, bool)
    lit = smooth[smooth > 0.04 * smooth.max()]
    head = ndimage.binary_closing(np.pad(smooth > 0.35 * np.median(lit), 4), iterations=4)
    labels, count = ndimage.label(head[4:-4, 4:-4])
    if not count:
        return np.zeros(smooth.shape, bool)
    return ndimage.binary_fill_holes(labels == 1 + np.argmax(np.bincount(labels.ravel())[1:]))


def _main_parts(mask: Mask, smooth: NDArray[np.float64]) -> Mask:
    # The largest part and, as a fissure may cut the brain, all of similar size and level.
    labels, count = ndimage.label(mask)
    if not count:
        return mask
    index = np.arange(1, count + 1)
    area = np.bincount(labels.ravel())[1:]
    level = ndimage.mean(smooth, labels, index)
    ratio = level / level[area.argmax()]
    similar = (area >= 0.3 * area.max()) & (ratio < 1.4) & (ratio > 1 / 1.4)
    return np.isin(labels, index[similar])


def _close(mask: Mask, reach: float) -> Mask:
    grown = np.pad(mask, math.ceil(reach) + 1)
    filled = ndimage.binary_fill_holes(_distance(grown) <= reach)
    edge = math.ceil(reach) + 1
    return (_depth(filled) > reach)[edge:-edge, edge:-edge]


def _depth(mask: Mask) -> NDArray[np.float64]:
    # Pixels to the outside; what lies beyond the frame is outside.
    return ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]


def _distance(mask: Mask) -> NDArray[np.float64]:
    if not mask.any():
        return np.full(mask.shape, np.inf)
    return ndimage.distance_transform_edt(~mask)


def _radius(mask: Mask) -> float:
    return math.sqrt(mask.sum() / math.pi)


def _measure(brain: _Brain) -> Measures | None:
    # The outermost rim is a mixture of brain, CSF and skull.
    inside = brain.depth > 0.04
    levels = brain.image[inside]
    median = np.median(levels)
    dark, bright = np.percentile(levels, (10, 97))
    matter = inside & (brain.image > 0.75 * median) & (brain.image < 1.35 * median)
    cortex = brain.image[matter & (brain.depth < 0.14)]
    white = brain.image[matter & (brain.depth > 0.2) & (brain.depth < 0.5)]
    if not (cortex.size and white.size):
        return None
    return Measures(
        bright_over_median=float(bright / median),
        dark_over_median=float(dark / median),
        cortex_over_white=float(cortex.mean() / white.mean()),
        enhancing_share=_enhancing_share(brain, float(np.percentile(brain.image[matter], 87))),
        brain_share=float(brain.mask.mean()),
    )


def _enhancing_share(brain: _Brain, white: float) -> float:
    labels, count = ndimage.label(brain.mask & (brain.image > 1.35 * white))
    index = np.arange(1, count + 1)
    area = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    size = brain.mask.sum()
    # Spots that reach the rim may be fat or a sinus, the smallest ones are vessels.
    compact = (
        (area >= 0.0008 * size)
        & (np.asarray(ndimage.minimum(brain.depth, labels, index)) > 0.1)
        & (np.asarray(ndimage.minimum(brain.below_skin, labels, index)) > 0.25)
    )
    return float(area[compact].sum() / size)
