"""A U-Net that denoises an image beside a condition of the same size, with or without a gate."""

from typing import Literal

import torch
from torch import Tensor, nn

from tfsdiff.methods.conditional.gate import SqueezeExcitation
from tfsdiff.methods.conditional.initialise import initialise
from tfsdiff.methods.conditional.unet import UNet
from tfsdiff.params import UNet as UNetParams

Gate = Literal["sources", "all", "none"]
IMAGE_CHANNELS = 3


class ConditionalUNet(UNet):
    """SR3 (no gate) and TFS-Diff (gate).

    The paper's TMFA gates the source stack and then concatenates the noisy image (`sources`); the
    released TFS-Diff gates the concatenation, noisy image included (`all`; quirk F1).
    """

    def __init__(
        self, condition_channels: int, settings: UNetParams, gate: Gate = "none", ratio: int = 1
    ) -> None:
        channels = condition_channels + IMAGE_CHANNELS
        super().__init__(channels, IMAGE_CHANNELS, settings)
        self.gate = gate
        gated = {"sources": condition_channels, "all": channels, "none": 0}[gate]
        self.SE_block = SqueezeExcitation(gated, ratio) if gated else nn.Identity()

    def forward(self, condition: Tensor, noisy: Tensor, level: Tensor) -> Tensor:
        """Predict from (B, condition_channels, H, W), (B, 3, H, W) and (B,): (B, 3, H, W)."""
        if self.gate == "sources":
            x = torch.cat([self.SE_block(condition), noisy], dim=1)
        else:
            x = self.SE_block(torch.cat([condition, noisy], dim=1))
        return super().forward(x, level)


def network_without_weights(
    condition_channels: int, settings: UNetParams, gate: Gate, ratio: int
) -> ConditionalUNet:
    """Make a network on the device `meta`, in evaluation mode: `to_empty` gives it memory."""
    with torch.device("meta"):
        return ConditionalUNet(condition_channels, settings, gate, ratio).eval()


def new_network(
    condition_channels: int,
    settings: UNetParams,
    gate: Gate,
    ratio: int,
    generator: torch.Generator,
) -> ConditionalUNet:
    """Make a network on the CPU, in evaluation mode, with weights drawn from `generator` alone.

    With Kaiming initialisation the last convolution starts at zero: the first prediction is then
    zero, where it would otherwise be noise of the size of the image and more.
    """
    # Built without memory first: torch's own initialisation would draw from its global generator.
    network = network_without_weights(condition_channels, settings, gate, ratio)
    initialise(network.to_empty(device="cpu"), settings.initialisation, generator)
    if settings.initialisation == "kaiming":
        nn.init.zeros_(network.final_conv.block[-1].weight)
    return network
