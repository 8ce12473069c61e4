"""The objectives of the TFS-Diff paper: noise objective (eq. 1) and L_PSF (eqs. 2 to 4)."""

import torch
import torch.nn.functional as F
from torch import Tensor

from tfsdiff.metrics.images import gaussian, windowed_mean
from tfsdiff.metrics.ssim import SIGMA, TAPS

C1, C2 = 0.01**2, 0.03**2  # for a dynamic range of 1


def noise_objective(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean squared error of the predicted quantity (eq. 1, squared L2 norm; eps in the paper)."""
    return F.mse_loss(prediction, target)


def structural_similarity(x: Tensor, y: Tensor) -> Tensor:
    """Mean SSIM of each image, differentiable: (B, C, H, W) in [0, 1] twice to (B,).

    Window, constants and border rule are those of the metric `tfsdiff.metrics.ssim`; the precision
    is that of the input.
    """
    if min(x.shape[-2:]) < TAPS:
        raise ValueError(f"SSIM needs at least {TAPS} x {TAPS} pixels, not {tuple(x.shape[-2:])}")
    moments = torch.stack([x, y, x * x + y * y, x * y])
    mean_x, mean_y, power, product = windowed_mean(moments, gaussian(TAPS, SIGMA))
    means, squares = mean_x * mean_y, mean_x**2 + mean_y**2
    similar = (2 * means + C1) * (2 * (product - means) + C2)
    return (similar / ((squares + C1) * (power - squares + C2))).mean((1, 2, 3))


def psf_terms(estimate: Tensor, image: Tensor, g: Tensor) -> dict[str, Tensor]:
    """Terms of L_PSF = lambda_1 MSE + lambda_2 (1 - SSIM), eqs. 2 to 4.

    Eq. 4 as published is the similarity itself; a loss must fall as images agree, hence 1 - SSIM.

    The paper weights all noise levels alike. Here each image weighs g^2 = alpha_bar, its share of
    signal power: an estimate from a predicted noise has the error sqrt(1 - g^2) / g times that of
    the noise. Near g = 0 it says nothing of the image, and its gradient grows without bound. With
    the weight g^2 the MSE term is (1 - g^2) times the squared error of the noise, which never
    exceeds eq. 1; where the estimate is clamped, it has no gradient at all.

    Args:
        estimate: estimated x_0, (B, 3, H, W) in [-1, 1].
        image: true x_0, likewise.
        g: (B,) noise levels.

    Returns:
        "mse" and "ssim" (which is 1 - SSIM), weighted means over the batch.
    """
    x, y = (estimate + 1) / 2, (image + 1) / 2
    weight = (g**2).to(x)
    mse = (weight * (x - y).square().mean((1, 2, 3))).mean()
    return {"mse": mse, "ssim": (weight * (1 - structural_similarity(x, y))).mean()}
