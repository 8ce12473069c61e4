"""Focal lesions: a ring-enhancing tumour with oedema, or a territorial infarct."""

from dataclasses import dataclass

import numpy as np

from tfsdiff.acquisition.phantom.fields import Field, Plane, draw_field, smooth_step
from tfsdiff.acquisition.phantom.tissues import INDEX

EDGE_MM = 1.6


@dataclass(frozen=True)
class Lesion:
    """A lesion in the patient's millimetres.

    Attributes:
        kind: `tumour` or `infarct`.
        centre: (3,) in mm.
        radius: of the tumour with its rim, or of the infarct, in mm.
        axes: (3,) relative half axes of the shape.
        rim: thickness of the enhancing rim in mm.
        spread: how far the oedema reaches beyond the tumour, in mm.
        shape: field that makes the outline irregular.
        detail: field of the rim's and the oedema's own irregularity.
    """

    kind: str
    centre: np.ndarray
    radius: float
    axes: np.ndarray
    rim: float
    spread: float
    shape: Field
    detail: Field

    def distance(self, plane: Plane) -> np.ndarray:
        """Distance (H, W) from the centre in mm, warped so that its contours are irregular."""
        offset = _offset(plane, self.centre) / self.axes[:, None, None]
        return np.sqrt((offset**2).sum(0)) + 0.16 * self.radius * self.shape.on(plane)

    def displace(self, plane: Plane) -> np.ndarray:
        """Mass effect: (3, H, W) in mm from where the tissue at a point has been pushed away."""
        offset = _offset(plane, self.centre)
        squared = (offset**2).sum(0) / self.radius**2
        push = {"tumour": 0.30, "infarct": 0.05}[self.kind]
        return -push * offset * np.exp(-squared / 3.5)

    def insert(self, fractions: np.ndarray, plane: Plane) -> None:
        """Replace brain by lesion in the (tissues, H, W) `fractions`, which keep their sum."""
        rho, detail = self.distance(plane), self.detail.on(plane)
        if self.kind == "tumour":
            self._insert_tumour(fractions, rho, detail)
        else:
            self._insert_infarct(fractions, rho, detail)

    def _insert_tumour(self, fractions: np.ndarray, rho: np.ndarray, detail: np.ndarray) -> None:
        reach = smooth_step(self.radius + self.spread * (0.8 + 0.35 * detail) - rho, 5.0)
        _replace(fractions, ("white",), "oedema", 0.92 * reach)
        _replace(fractions, ("grey",), "oedema", 0.45 * reach)
        mass = smooth_step(self.radius - rho, EDGE_MM)
        _replace(fractions, ("grey", "white", "oedema", "csf"), "rim", mass)
        rim = self.rim * np.clip(1 + 0.45 * detail, 0.4, 1.9)
        _replace(fractions, ("rim",), "necrosis", smooth_step(self.radius - rim - rho, EDGE_MM))

    def _insert_infarct(self, fractions: np.ndarray, rho: np.ndarray, detail: np.ndarray) -> None:
        territory = smooth_step(self.radius * (1 + 0.08 * detail) - rho, 4.0)
        leaky = smooth_step(detail + 0.3, 1.5)  # patches of cortex, in the second week
        _replace(fractions, ("grey",), "gyral", 0.9 * territory * leaky)
        _replace(fractions, ("grey", "white"), "infarct", 0.95 * territory)


def draw_lesion(rng: np.random.Generator) -> Lesion:
    """Draw a tumour in the white matter (two in three) or an infarct near the convexity."""
    tumour = rng.random() < 0.67
    side = rng.choice((-1.0, 1.0))
    if tumour:
        centre = (side * rng.uniform(22, 38), rng.uniform(-42, 46), rng.uniform(12, 44))
        radius, axes = rng.uniform(10, 17), rng.uniform(0.8, 1.2, 3)
    else:
        centre = (side * rng.uniform(46, 58), rng.uniform(-38, 34), rng.uniform(12, 40))
        radius, axes = rng.uniform(23, 32), np.array([0.9, 1.1, 1.0])
    return Lesion(
        kind="tumour" if tumour else "infarct",
        centre=np.array(centre),
        radius=radius,
        axes=axes,
        rim=rng.uniform(2.6, 4.4),
        spread=rng.uniform(8, 24),
        shape=draw_field(rng, 7.0 if tumour else 10.0),
        detail=draw_field(rng, 4.5),
    )


def _offset(plane: Plane, centre: np.ndarray) -> np.ndarray:
    x, y = np.meshgrid(plane.x, plane.y)
    return np.stack([x, y, np.full_like(x, plane.z)]) - centre[:, None, None]


def _replace(fractions: np.ndarray, tissues: tuple[str, ...], by: str, share: np.ndarray) -> None:
    for tissue in tissues:
        moved = fractions[INDEX[tissue]] * share
        fractions[INDEX[tissue]] -= moved
        fractions[INDEX[by]] += moved
