"""The U-Net of SR3 (Saharia et al. 2021, IEEE TPAMI), in the layout of the released code.

State-dict keys are those below `denoise_fn.` of an SR3 or TFS-Diff checkpoint (reference page,
4.1), so that such a checkpoint loads by dropping that prefix.
"""

from torch import Tensor, cat, nn

from tfsdiff.methods.conditional.blocks import ConvBlock, Downsample, NoiseEmbedding, Unit, Upsample
from tfsdiff.params import UNet as UNetParams


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
            x: (B, in_channels, H, W); H and W are multiples of `multiple(settings)`.
            level: (B,) noise level g = sqrt(alpha_bar) in (0, 1].

        Returns:
            (B, out_channels, H, W).
        """
        step = multiple(self.settings)
        if x.shape[-2] % step or x.shape[-1] % step:
            raise ValueError(f"height and width must be multiples of {step}, not {tuple(x.shape)}")
        embedding = self.noise_level_mlp(level).to(x.dtype)
        skips = []
        for module in self.downs:
            x = module(x, embedding) if isinstance(module, Unit) else module(x)
            skips.append(x)
        for module in self.mid:
            x = module(x, embedding)
        for module in self.ups:
            if isinstance(module, Unit):
                x = module(cat([x, skips.pop()], dim=1), embedding)
            else:
                x = module(x)
        return self.final_conv(x)


def multiple(settings: UNetParams) -> int:
    """Number of pixels that height and width of the network's input must be multiples of."""
    return 2 ** (len(settings.multipliers) - 1)
