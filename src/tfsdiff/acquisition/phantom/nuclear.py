"""Emission tomography: uptake, point spread, counts, and the atlas's colours.

A gamma camera or PET ring blurs the uptake by its intrinsic point spread, counts photons
(Poisson), and the reconstruction smooths once more. The two widths add in squares: 5.9 mm for PET,
9.2 to 10.3 mm for SPECT.
"""

from typing import NamedTuple

import numpy as np
from scipy import ndimage

from tfsdiff.acquisition.phantom.anatomy import tissue_fractions
from tfsdiff.acquisition.phantom.fields import Plane, axial_plane
from tfsdiff.acquisition.phantom.patient import Patient
from tfsdiff.acquisition.phantom.tissues import constants, mix
from tfsdiff.data import colourmap

VOXEL_MM = 2
SLAB_MM = (-5.0, 0.0, 5.0)  # offsets in height over which the axial point spread averages
FWHM = (8 * np.log(2)) ** 0.5  # of a Gaussian of unit standard deviation


class Camera(NamedTuple):
    """A scanner with a tracer.

    Attributes:
        uptake: column of the tissue table.
        intrinsic: full width at half maximum in mm before the counting.
        smoothing: the same of the reconstruction filter.
        counts: expected a voxel of full uptake.
        level: grey level in [0, 1] that full uptake has after the point spread, about.
        colours: stops of the colour map.
    """

    uptake: str
    intrinsic: float
    smoothing: float
    counts: float
    level: float
    colours: tuple


CAMERAS = {
    "PET-FDG": Camera("fdg", 4.5, 3.8, 60.0, 0.70, colourmap.PET),
    "SPECT-Tc": Camera("technetium", 7.0, 6.0, 40.0, 0.90, colourmap.SPECT),
    "SPECT-Tl": Camera("thallium", 7.5, 7.0, 25.0, 1.35, colourmap.SPECT),
}


def render(patient: Patient, z: float, side_mm: int, modality: str) -> np.ndarray:
    """Activity (side_mm, side_mm) in [0, 1] at height `z`, at 1 mm, before the colours."""
    camera = CAMERAS[modality]
    weights = np.exp(-0.5 * (np.array(SLAB_MM) * FWHM / camera.intrinsic) ** 2)
    planes = [axial_plane(z + offset, side_mm, VOXEL_MM) for offset in SLAB_MM]
    layers = [_uptake(camera, patient, plane) for plane in planes]
    activity = np.einsum("z,zhw->hw", weights / weights.sum(), np.stack(layers))
    seen = _count(camera, activity, patient.rng(modality, str(z)))
    seen *= camera.level * patient.rng(modality).normal(1, 0.05)
    fine = ndimage.zoom(seen, VOXEL_MM, order=1, mode="nearest", grid_mode=True)
    return np.clip(fine, 0, 1)


def paint(activity: np.ndarray, modality: str) -> np.ndarray:
    """Image (H, W, 3) in [0, 255] of an activity (H, W) in [0, 1]."""
    return colourmap.colour(activity, CAMERAS[modality].colours)


def _uptake(camera: Camera, patient: Patient, plane: Plane) -> np.ndarray:
    """Uptake (H, W), with regional and focal differences of some per cent."""
    uptake = mix(constants(camera.uptake), tissue_fractions(patient, plane))
    region, focus = (patient.texture[use].on(plane) for use in ("region", "focus"))
    return uptake * np.exp(0.09 * region + 0.10 * focus)


def _count(camera: Camera, activity: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    blurred = ndimage.gaussian_filter(activity, camera.intrinsic / FWHM / VOXEL_MM)
    counts = rng.poisson(np.maximum(blurred, 0) * camera.counts) / camera.counts
    return ndimage.gaussian_filter(counts, camera.smoothing / FWHM / VOXEL_MM)
