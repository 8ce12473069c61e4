"""How a patient's head differs in shape from the average: pose, size, and smooth displacements."""

from dataclasses import dataclass

import numpy as np

from tfsdiff.acquisition.phantom.fields import Field, Plane, draw_field

CENTRE_MM = np.array([0.0, -18.0, 0.0])  # MNI position of the patient's axis
SCALES = ((64.0, 3.3), (26.0, 1.6), (9.0, 0.9))  # spacing of a field and its amplitude, both mm


@dataclass(frozen=True)
class Deformation:
    """Map from the patient's millimetres to those of the average brain.

    Attributes:
        matrix: (3, 3) rotation and scaling.
        shift: (3,) in mm, the place in the field of view.
        fields: for every scale the amplitude in mm and three fields, one a direction.
    """

    matrix: np.ndarray
    shift: np.ndarray
    fields: tuple[tuple[float, tuple[Field, Field, Field]], ...]

    def apply(self, plane: Plane) -> tuple[np.ndarray, np.ndarray]:
        """Points (3, H, W) of the average in MNI mm on `plane`: of the skull, and of the brain.

        The skull follows the widest fields only: it is smoother than the brain within.
        """
        x, y = np.meshgrid(plane.x, plane.y)
        points = np.stack([x, y, np.full_like(x, plane.z)]) + self.shift[:, None, None]
        points = np.einsum("ij,jhw->ihw", self.matrix, points) + CENTRE_MM[:, None, None]
        moves = [
            amplitude * np.stack([field.on(plane) for field in directions])
            for amplitude, directions in self.fields
        ]
        return points + moves[0], points + sum(moves)


def draw_deformation(rng: np.random.Generator) -> Deformation:
    """Draw size (some per cent), pose (some degrees), asymmetry and individual shape."""
    size = rng.normal(1.03, 0.02)  # the average brain is slightly larger than most
    scale = np.diag(size * rng.normal(1.0, 0.02, 3))
    pitch, roll, yaw = np.deg2rad(rng.normal(0, (4.0, 1.2, 1.8)))
    shift = np.array([*rng.normal(0, (1.5, 2.5)), 0.0])
    fields = tuple(
        (amplitude, tuple(draw_field(rng, spacing) for _ in range(3)))
        for spacing, amplitude in SCALES
    )
    return Deformation(_rotation(pitch, roll, yaw) @ scale, shift, fields)


def _rotation(pitch: float, roll: float, yaw: float) -> np.ndarray:
    return _turn(1, 2, pitch) @ _turn(0, 2, roll) @ _turn(0, 1, yaw)


def _turn(first: int, second: int, angle: float) -> np.ndarray:
    matrix = np.eye(3)
    matrix[first, first] = matrix[second, second] = np.cos(angle)
    matrix[first, second], matrix[second, first] = -np.sin(angle), np.sin(angle)
    return matrix
