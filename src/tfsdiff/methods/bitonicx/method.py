"""BitonicX: fusion of three images by bitonic filtering and pulse-coupled networks.

Source: Y. Jie et al., "Tri-modal medical image fusion and denoising based on bitonicX filtering",
IEEE Transactions on Instrumentation and Measurement 2023, as its released code has it. Letters such
as B2 are entries of docs/methods/bitonicx.md.

Each image is split into a base and the details of two scales. Of the finest details and of the
coarser ones, pulse-coupled networks choose at each pixel the image whose neurons fire more; the
brighter base is taken. That fusion and the luminance of the functional image are split once, and
the detail of more energy is chosen.
"""

from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field

from tfsdiff.methods.bitonicx.bitonic import bitonic
from tfsdiff.methods.bitonicx.gradient import clarity, tensor_operator
from tfsdiff.methods.bitonicx.majority import majority
from tfsdiff.methods.bitonicx.pulse import cnp, papcnn
from tfsdiff.methods.classical import ClassicalFuser, Group, fuse_two_by_two
from tfsdiff.params import Count, Odd, Section

EXPONENT = 0.01


class Settings(Section):
    """How BitonicX is run."""

    mode: Literal["paper", "official"]  # official: as MATLAB runs the released code, see `energy`
    threshold: Annotated[float, Field(gt=0)]  # of the bitonic filter; the released call passes 3
    iterations: Count  # of both networks
    majority_pixels: Odd  # side of the window of the vote


class BitonicX(ClassicalFuser):
    """Fuses each group by `fuse_bitonicx`; nothing is learned."""

    name = "bitonicx"
    Settings: ClassVar[type[Section]] = Settings
    published: ClassVar[dict[str, Any]] = {
        "mode": "paper",
        "threshold": 3.0,
        "iterations": 110,
        "majority_pixels": 19,
    }

    def fuse_group(self, group: Group, generator: torch.Generator) -> np.ndarray:
        """Fuse a group to RGB (H, W, 3) in [0, 1]; `generator` seeds the official noise."""
        seed = torch.randint(2**62, (), generator=generator, device=generator.device).item()
        rng = np.random.default_rng(seed)
        return fuse_bitonicx(group, self.settings, rng)[0]


def fuse_bitonicx(
    group: Group, settings: Settings, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Fuse `group`; see `fuse_two_by_two`.

    Args:
        group: the images.
        settings: how to run.
        rng: noise of the official mode; not used in paper mode.
    """
    return fuse_two_by_two(
        group,
        lambda first, second: fuse_anatomical(first, second, settings),
        lambda anatomical, luminance: fuse_functional(anatomical, luminance, settings, rng),
    )


def fuse_anatomical(first: np.ndarray, second: np.ndarray, settings: Settings) -> np.ndarray:
    """Grey fusion (H, W) of two grey images, which may leave [0, 1]."""
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
    """Luminance (H, W) fused of the grey fusion and that of the functional image."""
    images = [anatomical, luminance]
    smooth = [bitonic(image, settings.threshold) for image in images]
    details = [image - low for image, low in zip(images, smooth, strict=True)]
    first, second = (energy(detail, settings.mode, rng) for detail in details)
    choice = majority(first > second, settings.majority_pixels)
    return np.where(choice, *details) + np.maximum(*smooth)


def energy(detail: np.ndarray, mode: str, rng: np.random.Generator) -> np.ndarray:
    """Energy (H, W) by which details are chosen (B2 and B3).

    Paper mode takes clarity and magnitude of the detail. The released code takes the clarity of
    Gaussian noise, and of the complex power of negative values the real part.
    """
    power = np.abs(detail) ** EXPONENT
    if mode == "paper":
        return tensor_operator(detail) ** 2 * clarity(detail) * power
    power[detail < 0] *= np.cos(EXPONENT * np.pi)
    return tensor_operator(detail) ** 2 * clarity(rng.standard_normal(detail.shape)) * power
