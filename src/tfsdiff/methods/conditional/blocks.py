"""Parts of the SR3 U-Net; attribute names give the state-dict keys of the released code."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tfsdiff.methods.normalisation import GroupNorm


class NoiseEmbedding(nn.Module):
    """Sines and cosines of the continuous noise level, without the usual large factor.

    The released SR3 and TFS-Diff feed g in (0, 1] as it is (docs/methods/sr3.md, S1).
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, level: Tensor) -> Tensor:
        """Embed noise levels (B,) as (B, width)."""
        half = self.width // 2
        k = torch.arange(half, dtype=torch.float32, device=level.device)
        angles = level.float()[:, None] * torch.exp(-math.log(1e4) * k / half)
        return torch.cat([angles.sin(), angles.cos()], dim=1)


class ConvBlock(nn.Module):
    """Group normalisation, Swish, dropout, 3 x 3 convolution."""

    def __init__(self, cin: int, cout: int, groups: int, dropout: float = 0.0) -> None:
        super().__init__()
        drop = nn.Dropout(dropout) if dropout else nn.Identity()
        self.block = nn.Sequential(
            GroupNorm(groups, cin), nn.SiLU(), drop, nn.Conv2d(cin, cout, 3, padding=1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, cin, H, W) to (B, cout, H, W)."""
        return self.block(x)


class NoiseShift(nn.Module):
    """Adds a linear function of the noise embedding to every pixel."""

    def __init__(self, embedding: int, channels: int) -> None:
        super().__init__()
        self.noise_func = nn.Sequential(nn.Linear(embedding, channels))

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """(B, C, H, W) and (B, E) to (B, C, H, W)."""
        return x + self.noise_func(embedding)[:, :, None, None]


class ResidualBlock(nn.Module):
    """Two convolution blocks around a noise shift, beside a 1 x 1 convolution or an identity."""

    def __init__(self, cin: int, cout: int, embedding: int, groups: int, dropout: float) -> None:
        super().__init__()
        self.noise_func = NoiseShift(embedding, cout)
        self.block1 = ConvBlock(cin, cout, groups)
        self.block2 = ConvBlock(cout, cout, groups, dropout)
        self.res_conv = nn.Conv2d(cin, cout, 1) if cin != cout else nn.Identity()

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """(B, cin, H, W) and (B, E) to (B, cout, H, W)."""
        h = self.noise_func(self.block1(x), embedding)
        return self.block2(h) + self.res_conv(x)


class SelfAttention(nn.Module):
    """Single-head attention over all pixels, with a residual connection."""

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.norm = GroupNorm(groups, channels)
        self.qkv = nn.Conv2d(channels, 3 * channels, 1, bias=False)
        self.out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        qkv = self.qkv(self.norm(x)).flatten(2).transpose(1, 2)  # (B, HW, 3C)
        q, k, v = qkv.unsqueeze(1).chunk(3, dim=-1)  # (B, 1 head, HW, C) each
        y = F.scaled_dot_product_attention(q, k, v)
        return x + self.out(y.squeeze(1).transpose(1, 2).unflatten(2, x.shape[-2:]))


class Unit(nn.Module):
    """Residual block, followed by attention where the level attends."""

    def __init__(
        self, cin: int, cout: int, embedding: int, groups: int, dropout: float, attend: bool
    ) -> None:
        super().__init__()
        self.res_block = ResidualBlock(cin, cout, embedding, groups, dropout)
        self.attn = SelfAttention(cout, groups) if attend else nn.Identity()

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """(B, cin, H, W) and (B, E) to (B, cout, H, W)."""
        return self.attn(self.res_block(x, embedding))


class Downsample(nn.Module):
    """Halves height and width by a strided 3 x 3 convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C, H / 2, W / 2)."""
        return self.conv(x)


class Upsample(nn.Module):
    """Doubles height and width by repetition, then a 3 x 3 convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C, 2 H, 2 W)."""
        return self.conv(F.interpolate(x, scale_factor=2, mode="nearest"))
