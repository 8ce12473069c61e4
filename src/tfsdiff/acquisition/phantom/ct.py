"""Computed tomography in a brain window: skull white, fat and air black."""

import numpy as np
from scipy import ndimage

from tfsdiff.acquisition.phantom.fields import Plane
from tfsdiff.acquisition.phantom.patient import Patient
from tfsdiff.acquisition.phantom.tissues import constants, mix

WINDOW_HU = (80.0, 36.0)  # width and level of the usual brain window
NOISE_HU = 6.0  # before the kernel: about 2 HU in the image


def render(fractions: np.ndarray, patient: Patient, plane: Plane) -> np.ndarray:
    """Image (H, W) in [0, 255] of a plane with the tissue `fractions` (tissues, H, W)."""
    scanner = patient.rng("CT")
    width, level = WINDOW_HU[0] * scanner.normal(1, 0.08), WINDOW_HU[1] + scanner.normal(0, 3)
    hounsfield = mix(constants("hounsfield"), fractions)
    noise = patient.rng("CT", str(plane.z)).normal(0, NOISE_HU, hounsfield.shape)
    noise *= np.exp(scanner.normal(0, 0.12)) * (hounsfield > -500)
    hounsfield = ndimage.gaussian_filter(hounsfield + noise, 0.7)
    return 255 * np.clip((hounsfield - level) / width + 0.5, 0, 1)
