"""The learned methods' networks as a profile configures them, on torch's device `meta`.

Such a network has shapes and no memory, so that one of half a billion parameters is built, run and
counted in a second.
"""

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from tfsdiff.compose import CONF, compose
from tfsdiff.methods import build
from tfsdiff.methods.cddfuse.network import CDDFuse
from tfsdiff.methods.conditional.network import ConditionalUNet
from tfsdiff.methods.ddfm.network import GuidedUNet
from tfsdiff.methods.learned import LearnedMethod
from tfsdiff.methods.tgfuse.network import Generator

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = {"harvard": ("data.input=FOLDER", "pairs.input=FOLDER")}  # that a profile asks for
SCALE = 4  # the network of an enlarger or a joint method is the same at all scales


@functools.cache
def parameters(profile: str) -> Mapping[str, Any]:
    """All parameters of a profile, as `params.yaml` would hold them."""
    return compose([f"profile={profile}", *FOLDERS.get(profile, ())], ROOT / CONF)


def method(name: str, profile: str) -> LearnedMethod:
    """The method with the settings of a profile, without weights."""
    return build(name, parameters(profile)["methods"][name], SCALE)


def network(name: str, profile: str) -> nn.Module:
    """The network of a method as a profile configures it, on the device `meta`."""
    values, made = parameters(profile), method(name, profile)
    recipe = {key: values[key] for key in ("unet", "diffusion")}
    with torch.device("meta"):
        return made.new_network(recipe).eval()


def inputs(network: nn.Module, side: int) -> tuple[Any, ...]:
    """Arguments of one evaluation of `network` for images of `side` pixels."""

    def images(channels: int) -> Tensor:
        return torch.empty(1, channels, side, side, device="meta")

    match network:
        case ConditionalUNet():
            first = network.downs[0]
            return images(first.in_channels - 3), images(3), torch.empty(1, device="meta")
        case GuidedUNet():
            return images(3), torch.empty(1, device="meta")
        case CDDFuse():
            return [images(1), images(1)], None
        case Generator():
            return images(1), images(1)
    raise TypeError(f"no inputs are known for {type(network).__name__}")


def count(network: nn.Module) -> int:
    """Number of the parameters."""
    return sum(parameter.numel() for parameter in network.parameters())


def operations(network: nn.Module, side: int) -> int:
    """Operations of one evaluation, counted as by the stage `cost`."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(*inputs(network, side))
    return counter.get_total_flops()
