"""L_PSF, the image losses that TFS-Diff adds to the noise objective: eqs. 2 to 4, and as released.

Each is called with the estimate of a denoiser, the true image and the noise levels, and returns the
weight and the value of each of its terms.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from tfsdiff.diffusion.denoiser import Estimate
from tfsdiff.metrics.ssim import TAPS, similarity_map, structural_similarity

Levels = Literal["signal", "uniform"]
Weight = Annotated[float, Field(ge=0)]


@dataclass(frozen=True)
class PSF:
    """L_PSF = lambda_1 MSE + lambda_2 (1 - SSIM) of the estimated image.

    Eq. 4 as published is the similarity itself; a loss must fall as images agree, hence 1 - SSIM.

    The paper weights all noise levels alike (`uniform`). With `signal` each image weighs
    g^2 = alpha_bar, its share of signal power: an estimate from a predicted noise has the error
    sqrt(1 - g^2) / g times that of the noise. Near g = 0 it says nothing of the image, and its
    gradient grows without bound. With the weight g^2 the MSE term, of images in [0, 1], is
    (1 - g^2) / 4 times the squared error of the noise, which never exceeds eq. 1; where the
    estimate is clamped, it has no gradient at all.

    Attributes:
        mse: lambda_1.
        ssim: lambda_2.
        levels: how the noise levels weigh.
    """

    mse: float
    ssim: float
    levels: Levels

    def __call__(
        self, estimate: Estimate, image: Tensor, g: Tensor
    ) -> dict[str, tuple[float, Tensor]]:
        """Terms of the estimated x_0 against `image`, both (B, 3, H, W) in [-1, 1]; g is (B,)."""
        x, y = (estimate.x_0 + 1) / 2, (image + 1) / 2
        weight = (g**2 if self.levels == "signal" else torch.ones_like(g)).to(x)
        mse = (weight * (x - y).square().mean((1, 2, 3))).mean()
        dissimilarity = (weight * (1 - structural_similarity(x, y))).mean()
        return {"psf_mse": (self.mse, mse), "psf_ssim": (self.ssim, dissimilarity)}


@dataclass(frozen=True)
class ReleasedPSF:
    """The structural term as the released code has it (docs/methods/tfsdiff.md, F2 and F3).

    DSSIM, clamp(1 - SSIM, 0, 1) / 2 with reflected borders, of the clean image and the predicted
    *noise*, both taken as images of dynamic range 1, divided by the number of elements of the
    batch: a weight of 3.2e-7 at batch 16 and 256 pixels. Implemented for
    comparison; its weight is negligible.

    Attributes:
        weight: of the term.
    """

    weight: float

    def __call__(
        self, estimate: Estimate, image: Tensor, g: Tensor
    ) -> dict[str, tuple[float, Tensor]]:
        """The term of the predicted eps, which is the output, against x_0 in [-1, 1]."""
        border = [TAPS // 2] * 4
        x, y = (F.pad(one, border, mode="reflect") for one in (image, estimate.output))
        value = (1 - similarity_map(x, y)).clamp(0, 1).mean() / 2 / estimate.output.numel()
        return {"psf_released": (self.weight, value)}
