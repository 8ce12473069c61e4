"""Samplers: plain functions of an estimate of x_0, on any rising sequence of noise levels.

`denoise` maps (x_g, g) to an estimate of x_0 in [-1, 1]. All random numbers of an image come from
its own CPU generator, so an image does not depend on its batch nor on the device.
"""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Protocol

import torch
from torch import Tensor

from tfsdiff.diffusion.schedule import half_log_snr

Denoise = Callable[[Tensor, float], Tensor]


class Sampler(Protocol):
    """Draws one image for each generator."""

    def __call__(
        self,
        denoise: Denoise,
        shape: Sequence[int],
        levels: Sequence[float],
        generators: Sequence[torch.Generator],
        device: torch.device,
        temperature: float = 1.0,
    ) -> Tensor:
        """Draw images in [-1, 1].

        Args:
            denoise: estimate of x_0 from x_g and g.
            shape: (C, H, W) of one image.
            levels: rising noise levels from (almost) pure noise to 1, see `Schedule.subsequence`.
            generators: one an image.
            device: where to compute.
            temperature: factor of all noise that is drawn. At 1 images are draws from the
                posterior, whose squared error is twice that of its mean; towards 0 they approach
                that mean, and lose the texture that makes draws look real.

        Returns:
            (len(generators), C, H, W).
        """


def draw(
    shape: Sequence[int], generators: Sequence[torch.Generator], device: torch.device
) -> Tensor:
    """Standard normal noise: (len(generators), *shape), one generator an image."""
    return torch.stack([torch.randn(*shape, generator=g) for g in generators]).to(device)


def ancestral(
    denoise: Denoise,
    shape: Sequence[int],
    levels: Sequence[float],
    generators: Sequence[torch.Generator],
    device: torch.device,
    temperature: float = 1.0,
) -> Tensor:
    """Draw by the reverse chain of DDPM; on all T levels it is the chain of SR3 and TFS-Diff."""
    x = temperature * draw(shape, generators, device)
    for g, g_next in pairwise(levels):
        x, deviation = posterior(denoise(x, g), x, g, g_next)
        if g_next < 1:
            x = x + temperature * deviation * draw(shape, generators, device)
    return x


def ddim(
    denoise: Denoise,
    shape: Sequence[int],
    levels: Sequence[float],
    generators: Sequence[torch.Generator],
    device: torch.device,
    temperature: float = 1.0,
) -> Tensor:
    """Draw by the deterministic sampler of Song et al. 2021 (eta = 0)."""
    x = temperature * draw(shape, generators, device)
    for g, g_next in pairwise(levels):
        x_0 = denoise(x, g)
        eps = (x - g * x_0) / math.sqrt(1 - g**2)
        x = g_next * x_0 + math.sqrt(1 - g_next**2) * eps
    return x


def dpmpp(
    denoise: Denoise,
    shape: Sequence[int],
    levels: Sequence[float],
    generators: Sequence[torch.Generator],
    device: torch.device,
    temperature: float = 1.0,
) -> Tensor:
    """Draw by DPM-Solver++ (2M), deterministic and of second order (Lu et al. 2022, algorithm 2).

    Between two levels the estimate of x_0 is taken to be linear in lambda, half the log-SNR,
    through this and the last estimate. The first step knows no last one, and the step to g = 1 has
    no finite length in lambda: both are of first order, that is, DDIM's.
    """
    x = temperature * draw(shape, generators, device)
    last, last_length = None, math.inf
    for g, g_next in pairwise(levels):
        x_0 = denoise(x, g)
        length = half_log_snr(g_next) - half_log_snr(g)
        slope = length / last_length if g_next < 1 else 0.0  # 1 / r in the paper; 0 at first
        ahead = x_0 if slope == 0 else x_0 + slope / 2 * (x_0 - last)
        noise_left = math.sqrt(1 - g_next**2) / math.sqrt(1 - g**2)
        x = noise_left * x + (g_next - noise_left * g) * ahead
        last, last_length = x_0, length
    return x


def posterior(x_0: Tensor, x_g: Tensor, g: float, g_next: float) -> tuple[Tensor, float]:
    """Mean and standard deviation of q(x at g_next | x_g, x_0), for g < g_next <= 1 (less noise).

    For neighbouring levels of a schedule this is eq. 7 of DDPM (Ho et al. 2020); g_next = 1 returns
    x_0 itself.
    """
    if not 0 < g < g_next <= 1:
        raise ValueError(f"noise levels must rise within (0, 1], not {g} to {g_next}")
    alpha = (g / g_next) ** 2
    left, left_next = 1 - g**2, 1 - g_next**2
    mean = g_next * (1 - alpha) / left * x_0 + math.sqrt(alpha) * left_next / left * x_g
    return mean, math.sqrt((1 - alpha) * left_next / left)


SAMPLERS: dict[str, Sampler] = {"ancestral": ancestral, "ddim": ddim, "dpmpp": dpmpp}
