"""The features of VGG-16 as a critic of grey images, and where their ImageNet weights come from.

Simonyan and Zisserman, "Very deep convolutional networks for large-scale image recognition",
arXiv 1409.1556, configuration D, in torchvision's layout; groups and the convolution in front are
those of the released TGFuse.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from tfsdiff.common.errors import InputError
from tfsdiff.pretrained import TORCHVISION, download, read

Depth = Literal["relu_1_2", "relu_2_2", "relu_3_3", "relu_4_3"]

# What torchvision calls VGG16_Weights.IMAGENET1K_V1; the digits are the SHA-256.
URL = "https://download.pytorch.org/models/vgg16-397923af.pth"
GROUPS: dict[
    Depth, tuple[int, tuple[int, ...]]
] = {  # maps, and convolutions by torchvision's index
    "relu_1_2": (64, (0, 2)),
    "relu_2_2": (128, (5, 7)),
    "relu_3_3": (256, (10, 12, 14)),
    "relu_4_3": (512, (17, 19, 21)),
}
_CURE = (
    'name a safetensors file of the VGG-16 features, or "torchvision" to download them, or "random"'
)


class VGG(nn.Module):
    """Maps grey images to one layer of VGG-16, through a convolution that makes them coloured.

    Args:
        depth: the layer; those behind it are not built.
        width: factor to the number of maps; 1: VGG-16.
    """

    def __init__(self, depth: Depth, width: float) -> None:
        super().__init__()
        self.conv0 = nn.Conv2d(1, 3, 1)
        self.groups, channels = [], 3
        for name, (maps, places) in GROUPS.items():
            maps = max(round(maps * width), 1)
            self.groups.append(f"to_{name}")
            self.add_module(f"to_{name}", _group(channels, maps, places))
            channels = maps
            if name == depth:
                break

    def forward(self, images: Tensor) -> Tensor:
        """(B, 1, H, W) in 0..255, not normalised as VGG's were, to features (B, C, h, w)."""
        x = self.conv0(images)
        for name in self.groups:
            x = self.get_submodule(name)(x)
        return x

    def take(self, tensors: Mapping[str, Tensor]) -> None:
        """Copy torchvision's `features.N.weight` and `.bias` to the group that has the layer N."""
        with torch.no_grad():
            for name, parameter in self.named_parameters():
                group, _, layer = name.partition(".")
                if group != "conv0":
                    parameter.copy_(tensors[f"features.{layer}"])


def _group(channels: int, maps: int, places: tuple[int, ...]) -> nn.Sequential:
    group = nn.Sequential()
    if places[0]:  # every group but the first begins by halving
        group.add_module(str(places[0] - 1), nn.MaxPool2d(2))
    for place in places:
        group.add_module(str(place), nn.Conv2d(channels, maps, 3, padding=1))
        group.add_module(str(place + 1), nn.ReLU())
        channels = maps
    return group


def pretrained(source: str) -> dict[str, Tensor]:
    """ImageNet's weights of the convolutions up to relu4_3, by torchvision's keys.

    Args:
        source: a safetensors file with `features.{0,2,5,...,21}.{weight,bias}`, or "torchvision"
            for what torchvision has in its cache or downloads.

    Raises:
        InputError: they cannot be had, or are not these tensors.
    """
    try:
        if source == TORCHVISION:
            return download(URL, _shapes())
        return read(Path(source), _shapes())
    except ValueError as error:
        raise InputError(f"{error}; {_CURE}") from None


def _shapes() -> dict[str, tuple[int, ...]]:
    """Shapes of the twenty tensors, by torchvision's keys."""
    shapes, channels = {}, 3
    for maps, places in GROUPS.values():
        for place in places:
            shapes[f"features.{place}.weight"] = (maps, channels, 3, 3)
            shapes[f"features.{place}.bias"] = (maps,)
            channels = maps
    return shapes
