"""The objectives of TFS-Diff: noise objective (eq. 1) and L_PSF (eqs. 2 to 4), and as released."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from tfsdiff.metrics.ssim import TAPS, similarity_map, structural_similarity

Norm = Literal["l2", "l1"]
Levels = Literal["signal", "uniform"]


def noise_objective(prediction: Tensor, target: Tensor, norm: Norm) -> Tensor:
    """Mean error of the predicted quantity: squared (paper, eq. 1) or absolute (released code)."""
    return F.mse_loss(prediction, target) if norm == "l2" else F.l1_loss(prediction, target)


def psf_terms(estimate: Tensor, image: Tensor, g: Tensor, levels: Levels) -> dict[str, Tensor]:
    """Terms of L_PSF = lambda_1 MSE + lambda_2 (1 - SSIM), eqs. 2 to 4.

    Eq. 4 as published is the similarity itself; a loss must fall as images agree, hence 1 - SSIM.

    The paper weights all noise levels alike (`uniform`). With `signal` each image weighs
    g^2 = alpha_bar, its share of signal power: an estimate from a predicted noise has the error
    sqrt(1 - g^2) / g times that of the noise. Near g = 0 it says nothing of the image, and its
    gradient grows without bound. With the weight g^2 the MSE term is (1 - g^2) times the squared
    error of the noise, which never exceeds eq. 1; where the estimate is clamped, it has no gradient
    at all.

    Args:
        estimate: estimated x_0, (B, 3, H, W) in [-1, 1].
        image: true x_0, likewise.
        g: (B,) noise levels.
        levels: how the levels weigh.

    Returns:
        "mse" and "ssim" (which is 1 - SSIM), weighted means over the batch.
    """
    x, y = (estimate + 1) / 2, (image + 1) / 2
    weight = (g**2 if levels == "signal" else torch.ones_like(g)).to(x)
    mse = (weight * (x - y).square().mean((1, 2, 3))).mean()
    return {"mse": mse, "ssim": (weight * (1 - structural_similarity(x, y))).mean()}


def released_structure(prediction: Tensor, image: Tensor) -> Tensor:
    """The structural term as the released code has it (reference page, quirks F2 and F3).

    DSSIM, clamp(1 - SSIM, 0, 1) / 2 with reflected borders, of the clean image and the predicted
    *noise*, both taken as images of dynamic range 1, divided by the number of elements of the
    batch: a weight of 3.2e-7 at batch 16 and 256 pixels. For the record; it teaches nothing.

    Args:
        prediction: predicted eps, (B, 3, H, W).
        image: x_0 in [-1, 1], likewise.
    """
    border = [TAPS // 2] * 4
    x, y = (F.pad(one, border, mode="reflect") for one in (image, prediction))
    return (1 - similarity_map(x, y)).clamp(0, 1).mean() / 2 / prediction.numel()
