"""Checkpoints in the released layout, made from our network and, for the rest, from formulas.

The twelve buffers are written out here in numpy, from the closed forms of Ho et al. 2020.
"""

import numpy as np
import torch
from torch import Tensor

from tfsdiff.methods import method_class
from tfsdiff.methods.conditional import released
from tfsdiff.methods.conditional.network import ConditionalUNet
from tfsdiff.params import UNet

SMALL = UNet(
    width=16,
    multipliers=(1, 2),
    blocks=2,
    attention_level=1,
    groups=8,
    dropout=0.2,
    initialisation="orthogonal",
)
CHANNELS = {"tfsdiff": 9, "sr3": 3}
GATE = {"tfsdiff": "all", "sr3": "none"}
METHODS = ("tfsdiff", "sr3")


def family(method: str) -> released.Family:
    """What the method says of its released code."""
    return method_class(method).family


def network(method: str, unet: UNet = SMALL, seed: int = 1) -> ConditionalUNet:
    """A released network with random weights, in evaluation mode."""
    torch.manual_seed(seed)
    made = ConditionalUNet(CHANNELS[method], unet, GATE[method], ratio=4).eval()
    with torch.no_grad():
        for parameter in made.parameters():  # no weight at a special value such as 0 or 1
            parameter.add_(0.02 * torch.randn_like(parameter))
    return made


def buffers(steps: int, first: float = 1e-6, last: float = 1e-2) -> dict[str, Tensor]:
    """The twelve buffers of the linear schedule: (T,) float32."""
    beta = np.linspace(first, last, steps)
    alpha_bar = np.cumprod(1 - beta)
    previous = np.append(1.0, alpha_bar[:-1])
    variance = beta * (1 - previous) / (1 - alpha_bar)
    values = {
        "betas": beta,
        "alphas_cumprod": alpha_bar,
        "alphas_cumprod_prev": previous,
        "sqrt_alphas_cumprod": np.sqrt(alpha_bar),
        "sqrt_one_minus_alphas_cumprod": np.sqrt(1 - alpha_bar),
        "log_one_minus_alphas_cumprod": np.log(1 - alpha_bar),
        "sqrt_recip_alphas_cumprod": np.sqrt(1 / alpha_bar),
        "sqrt_recipm1_alphas_cumprod": np.sqrt(1 / alpha_bar - 1),
        "posterior_variance": variance,
        "posterior_log_variance_clipped": np.log(np.maximum(variance, 1e-20)),
        "posterior_mean_coef1": beta * np.sqrt(previous) / (1 - alpha_bar),
        "posterior_mean_coef2": (1 - previous) * np.sqrt(1 - beta) / (1 - alpha_bar),
    }
    return {name: torch.tensor(array, dtype=torch.float32) for name, array in values.items()}


def checkpoint(method: str, steps: int = 6, unet: UNet = SMALL) -> dict[str, Tensor]:
    """The state dict of a released diffusion."""
    weights = network(method, unet).state_dict()
    return buffers(steps) | {f"denoise_fn.{key}": value for key, value in weights.items()}
