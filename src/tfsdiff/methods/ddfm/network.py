"""The U-Net of guided diffusion (Dhariwal and Nichol 2021), in the layout of the released code.

State-dict keys are those of OpenAI's `256x256_diffusion_uncond.pt`, so that
such a checkpoint loads as it is.
"""

import math
from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor, nn

from tfsdiff.methods.normalisation import GroupNorm
from tfsdiff.params import Count, Section

IMAGE_CHANNELS = 3


class Architecture(Section):
    """Of an unconditional denoiser of RGB images."""

    width: Count  # channels of the first level
    multipliers: tuple[Count, ...]  # of the width, one a level
    blocks: Count  # residual blocks a level
    attention_levels: tuple[Annotated[int, Field(ge=0)], ...]  # that attend; the middle does always
    head_channels: Count  # of attention
    groups: Count  # of the group normalisation
    learned_variance: bool  # whether three more channels are put out, as released

    @model_validator(mode="after")
    def _consistent(self) -> "Architecture":
        widths = [self.width * m for m in self.multipliers]
        if self.width % 2 or any(width % self.groups for width in widths):
            raise ValueError("width must be even, and width * multipliers multiples of groups")
        if any(level >= len(widths) for level in self.attention_levels):
            raise ValueError("attention_levels must be below the number of multipliers")
        attending = {widths[level] for level in self.attention_levels} | {widths[-1]}
        if any(width % self.head_channels for width in attending):
            raise ValueError("width * multipliers must be multiples of head_channels in attention")
        return self


class GuidedUNet(nn.Module):
    """Denoiser that is told the step t of the diffusion."""

    def __init__(self, settings: Architecture) -> None:
        super().__init__()
        self.settings = settings
        width, widths = settings.width, [settings.width * m for m in settings.multipliers]
        self.time_embed = nn.Sequential(
            nn.Linear(width, 4 * width), nn.SiLU(), nn.Linear(4 * width, 4 * width)
        )
        self.input_blocks, skips = self._down_path(widths)
        self.middle_block = _Entry(
            self._residual(widths[-1], widths[-1]),
            self._attention(widths[-1]),
            self._residual(widths[-1], widths[-1]),
        )
        self.output_blocks = self._up_path(widths, skips)
        channels = IMAGE_CHANNELS * (2 if settings.learned_variance else 1)
        self.out = nn.Sequential(
            GroupNorm(settings.groups, widths[0]),
            nn.SiLU(),
            _zero(nn.Conv2d(widths[0], channels, 3, padding=1)),
        )

    def _residual(self, cin: int, cout: int, resample: nn.Module | None = None) -> "ResidualBlock":
        return ResidualBlock(cin, cout, 4 * self.settings.width, self.settings.groups, resample)

    def _attention(self, channels: int) -> "Attention":
        return Attention(channels, self.settings.head_channels, self.settings.groups)

    def _unit(self, cin: int, cout: int, level: int) -> list[nn.Module]:
        attends = level in self.settings.attention_levels
        return [self._residual(cin, cout), *([self._attention(cout)] if attends else [])]

    def _down_path(self, widths: list[int]) -> tuple[nn.ModuleList, list[int]]:
        """Entries of the way down, and the channels of each of their outputs."""
        entries, skips = [_Entry(nn.Conv2d(IMAGE_CHANNELS, widths[0], 3, padding=1))], [widths[0]]
        for level, cout in enumerate(widths):
            for _ in range(self.settings.blocks):
                entries.append(_Entry(*self._unit(skips[-1], cout, level)))
                skips.append(cout)
            if level < len(widths) - 1:
                entries.append(_Entry(self._residual(cout, cout, nn.AvgPool2d(2))))
                skips.append(cout)
        return nn.ModuleList(entries), skips

    def _up_path(self, widths: list[int], skips: list[int]) -> nn.ModuleList:
        entries, skips, cin = [], list(skips), widths[-1]
        for level, cout in reversed(list(enumerate(widths))):
            for block in range(self.settings.blocks + 1):
                parts = self._unit(cin + skips.pop(), cout, level)
                if level > 0 and block == self.settings.blocks:
                    parts.append(self._residual(cout, cout, nn.Upsample(scale_factor=2)))
                entries.append(_Entry(*parts))
                cin = cout
        return nn.ModuleList(entries)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        """Evaluate the network.

        Args:
            x: (B, 3, H, W); H and W are multiples of `multiple(settings)`.
            t: (B,) step of the diffusion, 0 with the least noise.

        Returns:
            (B, 3, H, W), the noise; (B, 6, H, W) with the variance where that is learned.
        """
        step = multiple(self.settings)
        if x.shape[-2] % step or x.shape[-1] % step:
            raise ValueError(f"height and width must be multiples of {step}, not {tuple(x.shape)}")
        embedding = self.time_embed(time_embedding(t, self.settings.width))
        skips = []
        for entry in self.input_blocks:
            x = entry(x, embedding)
            skips.append(x)
        x = self.middle_block(x, embedding)
        for entry in self.output_blocks:
            x = entry(torch.cat([x, skips.pop()], dim=1), embedding)
        return self.out(x)


class _Entry(nn.ModuleList):
    """Modules one after another, some of which are told the embedding of the step."""

    def __init__(self, *modules: nn.Module) -> None:
        super().__init__(modules)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        for module in self:
            x = module(x, embedding) if isinstance(module, ResidualBlock) else module(x)
        return x


class ResidualBlock(nn.Module):
    """Two convolutions; the embedding scales and shifts the second normalisation.

    Where the block resamples, it does so between the first normalisation and its convolution.
    """

    def __init__(
        self, cin: int, cout: int, embedding: int, groups: int, resample: nn.Module | None
    ) -> None:
        super().__init__()
        self.in_layers = nn.Sequential(
            GroupNorm(groups, cin), nn.SiLU(), nn.Conv2d(cin, cout, 3, padding=1)
        )
        self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(embedding, 2 * cout))
        self.out_layers = nn.Sequential(
            GroupNorm(groups, cout),
            nn.SiLU(),
            nn.Identity(),  # the place of the dropout, which the released weights have at 0
            _zero(nn.Conv2d(cout, cout, 3, padding=1)),
        )
        self.skip_connection = nn.Conv2d(cin, cout, 1) if cin != cout else nn.Identity()
        self.resample = resample or nn.Identity()

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """(B, cin, H, W) and (B, E) to (B, cout, H, W), or half or twice these sides."""
        normalise, activate, convolve = self.in_layers
        h = convolve(self.resample(activate(normalise(x))))
        scale, shift = self.emb_layers(embedding)[..., None, None].chunk(2, dim=1)
        h = self.out_layers[0](h) * (1 + scale) + shift
        return self.skip_connection(self.resample(x)) + self.out_layers[1:](h)


class Attention(nn.Module):
    """Attention over all pixels by several heads, with a residual connection.

    Channels are split into heads first and into query, key and value then ("legacy order").
    """

    def __init__(self, channels: int, head_channels: int, groups: int) -> None:
        super().__init__()
        self.heads = channels // head_channels
        self.norm = GroupNorm(groups, channels)
        self.qkv = nn.Conv1d(channels, 3 * channels, 1)
        self.proj_out = _zero(nn.Conv1d(channels, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        qkv = self.qkv(self.norm(x).flatten(2)).unflatten(1, (self.heads, -1))
        q, k, v = qkv.transpose(2, 3).chunk(3, dim=-1)  # (B, heads, HW, channels of a head) each
        y = F.scaled_dot_product_attention(q, k, v).transpose(2, 3).flatten(1, 2)
        return x + self.proj_out(y).unflatten(2, x.shape[-2:])


def _zero(module: nn.Module) -> nn.Module:
    """Start `module` at zero: each block is then the identity, and the first prediction 0."""
    for parameter in module.parameters():
        nn.init.zeros_(parameter)
    return module


def time_embedding(t: Tensor, width: int) -> Tensor:
    """Cosines and sines of steps (B,), at frequencies from 1 to almost 1e-4: (B, width)."""
    half = width // 2
    k = torch.arange(half, dtype=torch.float32, device=t.device)
    angles = t.float()[:, None] * torch.exp(-math.log(1e4) * k / half)
    return torch.cat([angles.cos(), angles.sin()], dim=1)


def multiple(settings: Architecture) -> int:
    """Number of pixels that height and width of the network's input must be multiples of."""
    return 2 ** (len(settings.multipliers) - 1)


def network_without_weights(settings: Architecture) -> GuidedUNet:
    """Make a network on the device `meta`, in evaluation mode: `to_empty` gives it memory."""
    with torch.device("meta"):
        return GuidedUNet(settings).eval()
