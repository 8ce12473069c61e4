"""Closed forms of the Gaussian diffusion with x_g = g x_0 + sqrt(1 - g^2) eps, g = sqrt(alpha_bar).

Images are in [-1, 1]. `v` is g eps - sqrt(1 - g^2) x_0 (Salimans and Ho 2022, progressive
distillation). `residual` is x_0 - base, where base is a first guess of x_0 made from the condition.
Noise levels g are float64 tensors (B,): 1 - g^2 cancels in single precision.
"""

import math

from torch import Tensor

from tfsdiff.params import Prediction


def coefficients(g: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
    """Factors of image and noise, g and sqrt(1 - g^2), shaped to multiply `like` (B, C, H, W)."""
    noise = (1 - g.double() ** 2).clamp(min=0).sqrt()
    shape = (-1, *[1] * (like.ndim - 1))
    return g.to(like).view(shape), noise.to(like).view(shape)


def q_sample(x_0: Tensor, eps: Tensor, g: Tensor) -> Tensor:
    """Noisy image at level g."""
    signal, noise = coefficients(g, x_0)
    return signal * x_0 + noise * eps


def target(kind: Prediction, x_0: Tensor, eps: Tensor, g: Tensor, base: Tensor) -> Tensor:
    """What a network that predicts `kind` should return for x_g."""
    if kind == "eps":
        return eps
    if kind == "x0":
        return x_0
    if kind == "residual":
        return x_0 - base
    signal, noise = coefficients(g, x_0)
    return signal * eps - noise * x_0


def to_x0(kind: Prediction, prediction: Tensor, x_g: Tensor, g: Tensor, base: Tensor) -> Tensor:
    """Estimate of x_0 from a prediction of `kind`, clamped to [-1, 1] as SR3 does."""
    if kind == "x0":
        return prediction.clamp(-1, 1)
    if kind == "residual":
        return (base + prediction).clamp(-1, 1)
    signal, noise = coefficients(g, x_g)
    if kind == "eps":
        return ((x_g - noise * prediction) / signal).clamp(-1, 1)
    return (signal * x_g - noise * prediction).clamp(-1, 1)


def half_log_snr(g: float) -> float:
    """Half the log-SNR, lambda = log(g / sqrt(1 - g^2)), infinite for the clean image (g = 1)."""
    return math.inf if g == 1 else math.log(g) - 0.5 * math.log1p(-(g**2))


def posterior(x_0: Tensor, x_g: Tensor, g: float, g_next: float) -> tuple[Tensor, float]:
    """Mean and standard deviation of q(x at g_next | x_g, x_0), for g < g_next <= 1 (less noise).

    For neighbouring steps this is eq. 7 of DDPM (Ho et al. 2020); g_next = 1 returns x_0 itself.
    """
    if not 0 < g < g_next <= 1:
        raise ValueError(f"noise levels must rise within (0, 1], not {g} to {g_next}")
    alpha = (g / g_next) ** 2
    left, left_next = 1 - g**2, 1 - g_next**2
    mean = g_next * (1 - alpha) / left * x_0 + math.sqrt(alpha) * left_next / left * x_g
    return mean, math.sqrt((1 - alpha) * left_next / left)
