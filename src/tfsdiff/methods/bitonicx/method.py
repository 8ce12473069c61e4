"""BitonicX: fusion of three images by bitonic filtering and pulse-coupled networks.

Source: Y. Jie et al., "Tri-modal medical image fusion and denoising based on bitonicX filtering",
IEEE Transactions on Instrumentation and Measurement 2023, as its released code has it; steps as
numbered in the reference page, 7.1.
"""

from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field

from tfsdiff.data.colour import rgb_to_yuv, yuv_to_rgb
from tfsdiff.methods.bitonicx.bitonic import bitonic
from tfsdiff.methods.bitonicx.gradient import clarity, tensor_operator
from tfsdiff.methods.bitonicx.majority import majority
from tfsdiff.methods.bitonicx.pulse import cnp, papcnn
from tfsdiff.methods.classical import Classical, Group, check_group
from tfsdiff.params import Count, Odd, Section

EXPONENT = 0.01


class Settings(Section):
    """How BitonicX is run."""

    mode: Literal["paper", "official"]  # official: as MATLAB runs the released code, see `energy`
    threshold: Annotated[float, Field(gt=0)]  # of the bitonic filter; the released call passes 3
    iterations: Count  # of both networks
    majority_pixels: Odd  # side of the window of the vote


class BitonicX(Classical):
    """Fuses each group by `fuse_bitonicx`; nothing is learned."""

    Settings: ClassVar[type[Section]] = Settings
    name = "bitonicx"
    published: ClassVar[dict[str, Any]] = {
        "mode": "paper",
        "threshold": 3.0,
        "iterations": 110,
        "majority_pixels": 19,
    }

    def fuse_group(self, images: Group, generator: torch.Generator) -> np.ndarray:
        """Fuse two grey images and a coloured one; `generator` seeds the official noise."""
        seed = torch.randint(2**62, (), generator=generator, device=generator.device).item()
        rng = np.random.default_rng(seed)
        return fuse_bitonicx(*images, self.settings, rng)[0]


def fuse_bitonicx(
    anatomical_1: np.ndarray,
    anatomical_2: np.ndarray,
    functional: np.ndarray,
    settings: Settings,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Fuse two grey images and a coloured one, float in [0, 1].

    Args:
        anatomical_1: (H, W).
        anatomical_2: (H, W).
        functional: RGB, (H, W, 3).
        settings: how to run.
        rng: noise of the official mode; not used in paper mode.

    Returns:
        Fusion (H, W, 3) in [0, 1], and that of the anatomical images (H, W), not clipped.
    """
    check_group(anatomical_1, anatomical_2, functional)
    intermediate = fuse_anatomical(anatomical_1, anatomical_2, settings)
    yuv = rgb_to_yuv(np.asarray(functional, np.float64))
    yuv[..., 0] = fuse_functional(intermediate, yuv[..., 0], settings, rng)
    return np.clip(yuv_to_rgb(yuv), 0, 1), intermediate


def fuse_anatomical(first: np.ndarray, second: np.ndarray, settings: Settings) -> np.ndarray:
    """Steps 1 to 6: grey fusion (H, W) of two grey images, which may leave [0, 1]."""
    images = [np.asarray(image, np.float64) for image in (first, second)]
    smooth = [bitonic(image, settings.threshold) for image in images]
    fine = [image - low for image, low in zip(images, smooth, strict=True)]
    smoother = [bitonic(low, settings.threshold) for low in smooth]
    coarse = [low - lower for low, lower in zip(smooth, smoother, strict=True)]
    fired = [papcnn(detail, settings.iterations) for detail in fine]
    fused_fine = np.where(fired[0] >= fired[1], *fine)
    fired = [cnp(np.abs(detail), settings.iterations) for detail in coarse]
    choice = majority(fired[0] >= fired[1], settings.majority_pixels)
    return fused_fine + np.maximum(*smoother) + np.where(choice, *coarse)


def fuse_functional(
    anatomical: np.ndarray, luminance: np.ndarray, settings: Settings, rng: np.random.Generator
) -> np.ndarray:
    """Steps 7 to 9: luminance (H, W) fused of the grey fusion and that of the functional image."""
    images = [anatomical, luminance]
    smooth = [bitonic(image, settings.threshold) for image in images]
    details = [image - low for image, low in zip(images, smooth, strict=True)]
    first, second = (energy(detail, settings.mode, rng) for detail in details)
    choice = majority(first > second, settings.majority_pixels)
    return np.where(choice, *details) + np.maximum(*smooth)


def energy(detail: np.ndarray, mode: str, rng: np.random.Generator) -> np.ndarray:
    """Energy (H, W) by which step 8 chooses (7.6; quirks B2 and B3).

    Paper mode takes clarity and magnitude of the detail. The released code takes the clarity of
    Gaussian noise, and of the complex power of negative values the real part.
    """
    power = np.abs(detail) ** EXPONENT
    if mode == "paper":
        return tensor_operator(detail) ** 2 * clarity(detail) * power
    power[detail < 0] *= np.cos(EXPONENT * np.pi)
    return tensor_operator(detail) ** 2 * clarity(rng.standard_normal(detail.shape)) * power
