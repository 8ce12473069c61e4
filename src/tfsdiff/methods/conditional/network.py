"""A U-Net that denoises an image beside a condition of the same size, with or without a gate.

The U-Net is that of SR3 (Saharia et al. 2021, IEEE TPAMI), in the layout of the released code:
state-dict keys are those below `denoise_fn.` of an SR3 or TFS-Diff checkpoint, so that such a
checkpoint loads by dropping that prefix. F1 is an entry of docs/methods/tfsdiff.md.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from tfsdiff.core.tensors import CHANNELS
from tfsdiff.methods.conditional.blocks import ConvBlock, Downsample, NoiseEmbedding, Unit, Upsample
from tfsdiff.params import UNet as UNetParams

Gate = Literal["sources", "all", "none"]


class UNet(nn.Module):
    """Convolutional U-Net that is told the noise level.

    Attention belongs to a level, not to a number of pixels: `attention_level` 4 is the published
    "16 pixels" at 256 x 256 and stays at the fifth level for any input. `mid.0` always attends.
    """

    def __init__(self, in_channels: int, out_channels: int, settings: UNetParams) -> None:
        super().__init__()
        self.settings = settings
        width = settings.width
        self.noise_level_mlp = nn.Sequential(
            NoiseEmbedding(width),
            nn.Linear(width, 4 * width),
            nn.SiLU(),
            nn.Linear(4 * width, width),
        )
        widths = [width * m for m in settings.multipliers]
        self.downs, skips = self._down_path(in_channels, widths)
        self.mid = nn.ModuleList(
            [
                self._unit(widths[-1], widths[-1], attend=True),
                self._unit(widths[-1], widths[-1], attend=False),
            ]
        )
        self.ups = self._up_path(widths, skips)
        self.final_conv = ConvBlock(widths[0], out_channels, settings.groups)

    @property
    def multiple(self) -> int:
        """Number of pixels that height and width of the input must be multiples of."""
        return 2 ** (len(self.settings.multipliers) - 1)

    def _unit(self, cin: int, cout: int, attend: bool) -> Unit:
        s = self.settings
        return Unit(cin, cout, s.width, s.groups, s.dropout, attend)

    def _down_path(self, in_channels: int, widths: list[int]) -> tuple[nn.ModuleList, list[int]]:
        """Modules of the way down, and the channels of each of their outputs."""
        modules, skips = [nn.Conv2d(in_channels, self.settings.width, 3, padding=1)], []
        skips.append(self.settings.width)
        for level, cout in enumerate(widths):
            for _ in range(self.settings.blocks):
                modules.append(self._unit(skips[-1], cout, level == self.settings.attention_level))
                skips.append(cout)
            if level < len(widths) - 1:
                modules.append(Downsample(cout))
                skips.append(cout)
        return nn.ModuleList(modules), skips

    def _up_path(self, widths: list[int], skips: list[int]) -> nn.ModuleList:
        modules, skips, cin = [], list(skips), widths[-1]
        for level, cout in reversed(list(enumerate(widths))):
            for _ in range(self.settings.blocks + 1):
                attend = level == self.settings.attention_level
                modules.append(self._unit(cin + skips.pop(), cout, attend))
                cin = cout
            if level > 0:
                modules.append(Upsample(cout))
        return nn.ModuleList(modules)

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        """Evaluate the network.

        Args:
            x: (B, in_channels, H, W); H and W are multiples of `multiple`.
            level: (B,) noise level g = sqrt(alpha_bar) in (0, 1].

        Returns:
            (B, out_channels, H, W).
        """
        if x.shape[-2] % self.multiple or x.shape[-1] % self.multiple:
            raise ValueError(
                f"height and width must be multiples of {self.multiple}, not {tuple(x.shape)}"
            )
        embedding = self.noise_level_mlp(level).to(x.dtype)
        skips = []
        for module in self.downs:
            x = module(x, embedding) if isinstance(module, Unit) else module(x)
            skips.append(x)
        for module in self.mid:
            x = module(x, embedding)
        for module in self.ups:
            if isinstance(module, Unit):
                x = module(torch.cat([x, skips.pop()], dim=1), embedding)
            else:
                x = module(x)
        return self.final_conv(x)


class ConditionalUNet(UNet):
    """SR3 (no gate) and TFS-Diff (gate).

    The paper's TMFA gates the source stack and then concatenates the noisy image (`sources`); the
    released TFS-Diff gates the concatenation, noisy image included (`all`; F1). The last `ungated`
    channels of a condition are no sources, and pass the gate `sources` by.
    """

    def __init__(
        self,
        condition_channels: int,
        settings: UNetParams,
        gate: Gate = "none",
        ratio: int = 1,
        ungated: int = 0,
    ) -> None:
        channels = condition_channels + CHANNELS
        super().__init__(channels, CHANNELS, settings)
        self.gate = gate
        self.sources = condition_channels - ungated
        gated = {"sources": self.sources, "all": channels, "none": 0}[gate]
        self.SE_block = SqueezeExcitation(gated, ratio) if gated else nn.Identity()

    def forward(self, condition: Tensor, noisy: Tensor, level: Tensor) -> Tensor:
        """Predict from (B, condition_channels, H, W), (B, 3, H, W) and (B,): (B, 3, H, W)."""
        if self.gate == "sources":
            sources, rest = condition[:, : self.sources], condition[:, self.sources :]
            x = torch.cat([self.SE_block(sources), rest, noisy], dim=1)
        else:
            x = self.SE_block(torch.cat([condition, noisy], dim=1))
        return super().forward(x, level)


class SqueezeExcitation(nn.Module):
    """The gate of TFS-Diff's tri-modal feature aggregation (TMFA).

    Scales channels by what they hold: global average, FC, ReLU, FC, sigmoid.
    """

    def __init__(self, channels: int, ratio: int) -> None:
        super().__init__()
        hidden = max(channels // ratio, 1)
        self.linear1 = nn.Linear(channels, hidden)
        self.linear2 = nn.Linear(hidden, channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        weights = torch.sigmoid(self.linear2(torch.relu(self.linear1(x.mean((2, 3))))))
        return x * weights[:, :, None, None]
