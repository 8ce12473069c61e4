"""What contrast agent and thallium show: vessels, scalp, and lesions without a barrier to blood.

Gadolinium brightens what blood reaches without the barrier of the brain: vessels, dura, scalp, and
the rim of lesions. Thallium-201 is taken up by the same lesions and by the scalp, hardly by the
brain.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from tfsdiff.data import colourmap
from tfsdiff.data.synthesis.contrast import coloured, smooth_noise
from tfsdiff.data.synthesis.heads import Head, depth

SCALP = 0.035  # thickness, as a share of the side
BRAIN = 0.07  # depth at which the brain begins
DEEP = 0.12  # depth at which lesions are centred
RADIUS = (0.018, 0.055)  # of a lesion, as a share of the side
VESSEL = 0.012  # width below which dark structures are taken for flow voids
POINT_SPREAD = 0.018  # deviation of the camera's, as a share of the side


@dataclass(frozen=True)
class Lesion:
    """Distances in and around a lesion.

    Attributes:
        distance: (H, W) from its centre, in radii along the same direction: 1 at the rim.
        radius: as a share of the side.
    """

    distance: np.ndarray
    radius: float

    def rim(self) -> np.ndarray:
        """Ring (H, W) of height 1 at the rim, with a remainder of 0.25 inside."""
        ring = np.exp(-0.5 * ((self.distance - 0.85) / 0.22) ** 2)
        return np.maximum(ring, 0.25 * (self.distance < 0.85))

    def oedema(self) -> np.ndarray:
        """Smooth patch (H, W) of height 1 that reaches to about two radii."""
        return 1 / (1 + np.exp((self.distance - 1.6) / 0.25))


def lesions(head: Head, count: int, rng: np.random.Generator) -> list[Lesion]:
    """Lesions deep in the brain, of irregular outline; none where there is no depth for one."""
    places = np.argwhere(depth(head) > DEEP)
    if not len(places):
        return []
    return [_lesion(places[rng.integers(len(places))], len(head.mask), rng) for _ in range(count)]


def _lesion(centre: np.ndarray, side: int, rng: np.random.Generator) -> Lesion:
    rows, columns = np.indices((side, side)) - centre[:, None, None]
    angle = np.arctan2(rows, columns)
    radius = rng.uniform(*RADIUS)
    outline = sum(
        rng.uniform(0, 0.3 / wave) * np.cos(wave * angle + rng.uniform(0, 2 * np.pi))
        for wave in (2, 3, 5)
    )
    return Lesion(np.hypot(rows, columns) / (radius * side * (1 + outline)), radius)


def enhanced(
    t1: np.ndarray, mr: np.ndarray, head: Head, found: list[Lesion], rng: np.random.Generator
) -> np.ndarray:
    """A T1-like image (H, W) after contrast agent.

    Args:
        t1: T1-like image.
        mr: the image in which vessels are dark, as blood that flows has no signal in it.
        head: in both.
        found: lesions whose rim takes up agent; around it the image darkens.
        rng: of how much is taken up.
    """
    side, deep = len(t1), depth(head)
    width = max(3, 2 * round(VESSEL * side / 2) + 1)
    voids = ndimage.grey_closing(mr, (width, width)) - mr
    # Thin dark structures are vessels in some places and sulci in others.
    patchy = np.clip(0.5 + 0.6 * smooth_noise(rng, side, 0.05), 0, 1)
    vessels = np.clip(voids / 0.15, 0, 1) * patchy * (deep > BRAIN)
    scalp = (deep > 0) * (deep < SCALP) * np.clip(mr / 0.25, 0, 1)
    image = t1 + rng.uniform(0.25, 0.5) * vessels
    image = np.maximum(image, rng.uniform(0.55, 0.85) * scalp)
    for lesion in found:
        image = image * (1 - 0.35 * lesion.oedema())
        image = np.maximum(image, rng.uniform(0.7, 1) * lesion.rim())
    return np.clip(image, 0, 1)


def swollen(t2: np.ndarray, found: list[Lesion], rng: np.random.Generator) -> np.ndarray:
    """A T2-like image (H, W) with the oedema of lesions, which is bright."""
    for lesion in found:
        patch = rng.uniform(0.4, 0.8) * lesion.oedema()
        t2 = t2 + patch * np.clip(0.85 - t2, 0, 1)
    return np.clip(t2, 0, 1)


def thallium(head: Head, found: list[Lesion], rng: np.random.Generator) -> np.ndarray:
    """Uptake of thallium-201 as an image (H, W, 3) in the atlas's colours for SPECT."""
    side, deep = len(head.mask), depth(head)
    uptake = rng.uniform(0.05, 0.12) * (deep > BRAIN)
    uptake = np.maximum(uptake, rng.uniform(0.3, 0.5) * ((deep > 0) & (deep < 1.5 * SCALP)))
    uptake = uptake * np.exp(0.3 * smooth_noise(rng, side, 0.03))
    for lesion in found:
        # A small lesion loses height to the point spread: 1.6 is left at about 0.7 of a large one.
        uptake = np.maximum(uptake, rng.uniform(0.9, 1.6) * (lesion.distance < 1))
    seen = ndimage.gaussian_filter(uptake, POINT_SPREAD * side)
    counts = smooth_noise(rng, side, 0.8 * POINT_SPREAD)
    return coloured(seen + 0.03 * np.sqrt(np.maximum(seen, 0)) * counts, colourmap.SPECT)
