"""Fusion by the reverse process of a prior: DDFM's EM step and its place in the sampler.

Source: Z. Zhao et al., "DDFM: Denoising diffusion model for multi-modality image fusion", ICCV
2023, section 3.3; the released code differs from the paper's figure in what
docs/methods/ddfm.md lists as D1 to D10.

The prior alone would draw any image. At every step of its chain the estimated x_0 is therefore
moved towards what the two sources say, and the chain goes on from there: the prior keeps the result
an image, the sources say which.

Images are in [-1, 1], I and V are the luminances to fuse, f is that of the estimated x_0, y = I - V
and x = f - V. The fused image is to be near I and near V but for sparse, large differences: both
y - x = I - f and x are taken to be of Laplacian distributions, of unknown scales tau_a and tau_b. A
Laplacian is a Gaussian of random variance, so that expectation maximisation applies, with the
variances as hidden variables. The E step takes their expected inverses at each pixel (C and D); the
M step solves the weighted least squares that are left for x, under a total variation, by
half-quadratic splitting with k and its gradient u.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from tfsdiff.core.tensors import luminance
from tfsdiff.diffusion.samplers import SAMPLERS
from tfsdiff.methods.ddfm.prior import Estimate
from tfsdiff.methods.ddfm.settings import Settings

NEVER_ZERO = 1e-30  # below any square that float32 tells from rounding
STUDIO_GAIN, STUDIO_OFFSET = 219 / 255, 16 / 255


@dataclass(frozen=True)
class State:
    """What an EM step leaves to the next one.

    Attributes:
        tau_a, tau_b: (B, 1, 1, 1), scales of y - x and x, one an image.
        u: (B, 2, H, W), gradient along columns and rows.
    """

    tau_a: Tensor
    tau_b: Tensor
    u: Tensor


def start(like: Tensor) -> State:
    """State in front of the first step, for luminances (B, 1, H, W)."""
    ones = like.new_ones(len(like), 1, 1, 1)
    return State(ones, ones, torch.zeros_like(like).repeat(1, 2, 1, 1))


def em_step(
    f: Tensor, i: Tensor, v: Tensor, state: State, settings: Settings
) -> tuple[Tensor, State]:
    """Rectify the luminance `f` by the sources `i` and `v`, all (B, 1, H, W).

    Returns:
        The rectified luminance (B, 1, H, W), and the state for the next step.
    """
    official, rho = settings.mode == "official", settings.tv_coupling
    y, x = i - v, f - v
    # E step: expected inverse variances, large where the estimate is near V (d) or near I (c), ...
    d = (2 / (state.tau_b * (x.square() + 1e-6))).sqrt()
    c = (2 / (state.tau_a * (y - x + 1e-6).square()).clamp(min=NEVER_ZERO)).sqrt()
    if official:
        d = torch.minimum(d, 2 * c)  # D6
    # ... and the scales of the next step: the mean variance that is expected.
    tau_a, tau_b = (
        (1 / (weight + 1e-10) + tau / 2).mean((1, 2, 3), keepdim=True)
        for weight, tau in ((c, state.tau_a), (d, state.tau_b))
    )
    # M step: k is x with the gradient u of the step before, u a shrunken gradient of k, and x the
    # mean of what I, V and k ask for, weighted by c, d and rho.
    k = smooth(y - x if official else x, state.u)  # D7
    slope = released_gradient(k) if official else gradient(k)  # D4
    u = rho / (2 * settings.tv_weight + rho) * slope
    x = (2 * c * y + rho * (y - k if official else k)) / (2 * c + 2 * d + rho)
    return i - x if official else v + x, State(tau_a, tau_b, u)  # D1


def smooth(x: Tensor, u: Tensor) -> Tensor:
    """The k that minimises |k - x|^2 + |gradient(k) - u|^2: a linear system, solved by FFT.

    Args:
        x: (B, 1, H, W).
        u: (B, 2, H, W).

    Returns:
        (B, 1, H, W).
    """
    kernels = transfer(x.shape[-2], x.shape[-1], x.dtype, x.device)
    pulled = torch.fft.rfft2(x) + (kernels.conj() * torch.fft.rfft2(u)).sum(1, keepdim=True)
    return torch.fft.irfft2(pulled / (1 + kernels.abs().square().sum(0)), s=x.shape[-2:])


@functools.lru_cache(maxsize=2)  # the same at every step of all images of a size
@torch.inference_mode(False)  # what is kept must serve outside of it as well
def transfer(height: int, width: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Transfer functions of `gradient`, as of `rfft2`: (2, H, W // 2 + 1), complex.

    Args:
        height: of the image.
        width: of the image.
        dtype: of the image.
        device: of the image.
    """
    rows = torch.fft.fftfreq(height, dtype=dtype, device=device)[:, None]
    columns = torch.fft.rfftfreq(width, dtype=dtype, device=device)[None]
    turns = [columns.expand(height, -1), rows.expand(-1, columns.shape[1])]
    return torch.stack([torch.polar(torch.ones_like(t), 2 * torch.pi * t) - 1 for t in turns])


def gradient(k: Tensor) -> Tensor:
    """Periodic forward differences along columns and rows: (B, 1, H, W) to (B, 2, H, W)."""
    return torch.cat([k.roll(-1, 3) - k, k.roll(-1, 2) - k], dim=1)


def released_gradient(k: Tensor) -> Tensor:
    """Backward in sign, and the last column and row less nothing: the released code's (D4)."""
    columns, rows = k.clone(), k.clone()
    columns[..., :-1] -= k[..., 1:]
    rows[..., :-1, :] -= k[..., 1:, :]
    return torch.cat([columns, rows], dim=1)


def exchange(x_0: Tensor, luma: Tensor, new: Tensor, mode: str) -> Tensor:
    """Give `x_0` (B, 3, H, W) the luminance `new` in place of `luma`, at the same chroma.

    Equal to the way through YCbCr: a change of Y alone moves R, G and B by the same amount.
    """
    return x_0 + (new - luma) / (STUDIO_GAIN if mode == "official" else 1)


def luma_of(x_0: Tensor, mode: str) -> Tensor:
    """Luminance (B, 1, H, W) of `x_0`; by `official` Y of a studio swing, though of -1..1 (D3)."""
    full = luminance(x_0)
    return STUDIO_OFFSET + STUDIO_GAIN * full if mode == "official" else full


def fuse(
    estimate: Estimate,
    sources: tuple[Tensor, Tensor],
    levels: Sequence[float],
    settings: Settings,
    generators: Sequence[torch.Generator],
) -> Tensor:
    """Draw images from a prior whose luminance is rectified by the sources at every step.

    Args:
        estimate: of x_0 by the prior.
        sources: I and V, (B, 1, H, W) in [-1, 1] each.
        levels: rising noise levels at which the prior is evaluated, and 1, the clean image.
        settings: of the EM step, and which sampler draws.
        generators: one an image, of all its noise (D9).

    Returns:
        (B, 3, H, W): the last, rectified x_0, not clamped.
    """
    i, v = sources
    state = start(i)

    def rectified(x: Tensor, g: float) -> Tensor:
        nonlocal state  # carried from step to step
        x_0 = estimate(x, g)
        luma = luma_of(x_0, settings.mode)
        new, state = em_step(luma, i, v, state, settings)
        return exchange(x_0, luma, new, settings.mode)

    shape = (3, *i.shape[-2:])
    return SAMPLERS[settings.sampler](rectified, shape, levels, generators, i.device)
