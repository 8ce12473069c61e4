"""Smooth random fields in space, evaluated plane by plane."""

from dataclasses import dataclass

import numpy as np

REACH_MM = 128.0  # fields cover the cube from -REACH_MM to REACH_MM
B_SPLINE_NORM = (151 / 315) ** 1.5  # standard deviation of a sum of cubic B-splines in 3-D


@dataclass(frozen=True)
class Plane:
    """An axial plane of points: millimetres to the patient's left, to the front and upward.

    Attributes:
        x: (W,) of the columns.
        y: (H,) of the rows; the front is the top row.
        z: height of the plane.
    """

    x: np.ndarray
    y: np.ndarray
    z: float


def axial_plane(z: float, side_mm: int, step_mm: int) -> Plane:
    """Plane of `side_mm` squared around the axis, sampled at the middle of squares of `step_mm`."""
    x = (np.arange(side_mm // step_mm) + 0.5) * step_mm - side_mm / 2
    return Plane(x=x, y=-x, z=z)


@dataclass(frozen=True)
class Field:
    """Gaussian field of zero mean and unit variance: random weights of cubic B-splines.

    Attributes:
        weights: (D, H, W) of the splines along z, y, x.
        spacing: distance of the splines in mm; details are about twice as wide.
    """

    weights: np.ndarray
    spacing: float

    def on(self, plane: Plane) -> np.ndarray:
        """Values (H, W) on `plane`. Only four splines reach a point in each direction."""
        layer = self._sum(self.weights, np.array([plane.z]))[0]
        rows = self._sum(layer, plane.y)
        return self._sum(rows.T, plane.x).T / np.float32(B_SPLINE_NORM)

    def _sum(self, weights: np.ndarray, position: np.ndarray) -> np.ndarray:
        """Sum the splines along the first axis at `position` (N,): (K, ...) to (N, ...)."""
        steps = (position + REACH_MM) / self.spacing
        first = np.floor(steps).astype(int)
        shape = (-1,) + (1,) * (weights.ndim - 1)
        parts = cubic_b_spline((steps - first).astype(np.float32))
        return sum(part.reshape(shape) * weights[first + k] for k, part in enumerate(parts))


def cubic_b_spline(t: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Values of the four cubic B-splines that reach a point at `t` in [0, 1) between two knots."""
    return (
        (1 - t) ** 3 / 6,
        2 / 3 - t**2 + t**3 / 2,
        2 / 3 - (1 - t) ** 2 + (1 - t) ** 3 / 2,
        t**3 / 6,
    )


def draw_field(rng: np.random.Generator, spacing: float) -> Field:
    """Draw a field with details of about twice `spacing` mm."""
    count = int(np.ceil(2 * REACH_MM / spacing)) + 4
    weights = rng.standard_normal((count, count, count), dtype=np.float32)
    return Field(weights, spacing)


def smooth_step(value: np.ndarray, width: float) -> np.ndarray:
    """Rise from 0 to 1 where `value` passes zero, over `width`: a partial-volume edge."""
    t = np.clip(value / width + 0.5, 0, 1)
    return t * t * (3 - 2 * t)
