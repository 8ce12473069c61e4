"""Magnetic resonance images by the spin-echo signal equation, with Rician noise.

S = density (1 - exp(-TR / T1)) exp(-TE / T2), where a contrast agent adds its concentration times
its relaxivity to 1 / T1 and 1 / T2 (Haacke et al., Magnetic Resonance Imaging, 1999). Protocols are
those of clinical 1.5 T spin-echo examinations of the 1990s, the time of the atlas.
"""

from typing import NamedTuple

import numpy as np
from scipy import ndimage

from tfsdiff.acquisition.phantom.fields import Plane
from tfsdiff.acquisition.phantom.patient import Patient
from tfsdiff.acquisition.phantom.tissues import INDEX, constants, mix

RELAXIVITY = (4.1e-3, 4.6e-3)  # r1, r2 of Gd-DTPA in plasma, 1/(mM ms); Rohrer et al., 2005


class Sequence(NamedTuple):
    """A protocol.

    Attributes:
        repetition: TR in ms.
        echo: TE in ms.
        reference: tissue that sets the window.
        level: signal of that tissue relative to the one shown white.
        black: the same of the signal shown black; the window hides the noise of the air.
        gadolinium: whether the contrast agent has been given.
    """

    repetition: float
    echo: float
    reference: str
    level: float
    black: float
    gadolinium: bool


SEQUENCES = {
    "MR-T1": Sequence(500, 14, "white", 0.62, 0.06, False),
    "MR-T2": Sequence(3000, 95, "csf", 1.0, 0.06, False),
    "MR-PD": Sequence(2200, 30, "grey", 0.78, 0.25, False),
    "MR-Gad": Sequence(550, 14, "white", 0.56, 0.06, True),
}


def spin_echo(sequence: Sequence, share: tuple[float, float]) -> np.ndarray:
    """Signal of every tissue, (tissues,); `share` scales TR and TE as scanners differ."""
    rate_1, rate_2 = 1 / constants("t1"), 1 / constants("t2")
    if sequence.gadolinium:
        rate_1 = rate_1 + RELAXIVITY[0] * constants("gadolinium")
        rate_2 = rate_2 + RELAXIVITY[1] * constants("gadolinium")
    recovered = 1 - np.exp(-sequence.repetition * share[0] * rate_1)
    return constants("density") * recovered * np.exp(-sequence.echo * share[1] * rate_2)


def render(fractions: np.ndarray, patient: Patient, plane: Plane, modality: str) -> np.ndarray:
    """Image (H, W) in [0, 255] of a plane with the tissue `fractions` (tissues, H, W)."""
    sequence = SEQUENCES[modality]
    scanner = patient.rng(modality)
    share, blur, noise = scanner.normal(1, 0.06, 2), scanner.uniform(0.45, 0.7), 0.013
    signals = spin_echo(sequence, (share[0], share[1]))
    window = signals[INDEX[sequence.reference]] / (sequence.level * scanner.normal(1, 0.05))
    image = mix(signals / window, fractions)
    image *= 1 + 0.03 * patient.texture["fine"].on(plane)
    image *= np.exp(0.08 * patient.texture["coil"].on(plane))
    image = ndimage.gaussian_filter(image, blur)
    noise *= np.exp(scanner.normal(0, 0.35))
    seen = _rician(image, noise, patient.rng(modality, str(plane.z)))
    return 255 * np.clip((seen - sequence.black) / (1 - sequence.black), 0, 1)


def _rician(image: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    """Magnitude of a complex signal with noise (Gudbjartsson and Patz, MRM 34:910, 1995)."""
    real, imaginary = rng.normal(0, sigma, (2, *image.shape))
    return np.hypot(image + real, imaginary)
