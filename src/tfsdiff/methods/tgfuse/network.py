"""The generator of TGFuse; attribute names give the keys of the released code.

Source: D. Rao, T. Xu, X.-J. Wu, "TGFuse: An infrared and visible image fusion approach based on
transformer and generative adversarial network", IEEE Transactions on Image Processing, 2023, as its
released code has it. Images are in 0..255 in and out. Letters such as T7 are entries of
docs/methods/tgfuse.md.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SLOPE = 0.01  # of the leaky rectifiers
RATIO = 2  # hidden width of a perceptron to its input's
REDUCTION = 8  # of the map that the transformers see, three halvings


class Layer(nn.Module):
    """Convolution with reflected borders, and a leaky rectifier unless it is the last."""

    def __init__(self, cin: int, cout: int, side: int, last: bool = False) -> None:
        super().__init__()
        borders = "zeros" if side == 1 else "reflect"  # without borders the mode costs a copy
        self.conv2d = nn.Conv2d(cin, cout, side, padding=side // 2, padding_mode=borders)
        self.last = last

    def forward(self, x: Tensor) -> Tensor:
        """(B, cin, H, W) to (B, cout, H, W)."""
        x = self.conv2d(x)
        return x if self.last else F.leaky_relu(x, SLOPE)


class Residual(nn.Module):
    """Two convolutions, normalised behind their rectifiers, beside the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = Layer(channels, channels, 3)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = Layer(channels, channels, 3)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) to the same shape."""
        inner = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(inner)) + x)


class Encoder(nn.Module):
    """Features of one resolution."""

    def __init__(self, cin: int, channels: int) -> None:
        super().__init__()
        self.conv1 = Layer(cin, channels, 1)
        self.res = Residual(channels)
        self.conv2 = Layer(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, cin, H, W) to (B, channels, H, W)."""
        return self.conv2(self.res(self.conv1(x)))


class Attention(nn.Module):
    """Attention between tokens, by several heads."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, tokens, width) to the same shape."""
        parts = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(*parts.unbind(0))
        return self.proj(mixed.transpose(1, 2).flatten(2))


class Perceptron(nn.Module):
    """Two linear layers."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, RATIO * width)
        self.fc2 = nn.Linear(RATIO * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, tokens, width) to the same shape."""
        return self.fc2(F.gelu(self.fc1(x)))


class Block(nn.Module):
    """Attention, then a perceptron, both residual and normalised in front."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = Perceptron(width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, tokens, width) to the same shape."""
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class Body(nn.Module):
    """Blocks in a row, without positions: tokens are a set."""

    def __init__(self, width: int, heads: int, blocks: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(blocks)))
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, tokens, width) to the same shape."""
        return self.norm(self.blocks(x))


class Depatch(nn.Module):
    """Makes the pixels of a patch of every token."""

    def __init__(self, width: int, patch: int) -> None:
        super().__init__()
        self.projection = nn.Sequential(nn.Linear(width, patch**2))

    def forward(self, x: Tensor) -> Tensor:
        """(B, tokens, width) to (B, tokens, patch * patch)."""
        return self.projection(x)


class Transformer(nn.Module):
    """A transformer over patches; subclasses say what a token is.

    Args:
        pixels: numbers of a token.
        patch: side of a patch.
        width: of the transformer, a multiple of `heads`.
        heads: of attention.
        blocks: in a row.
    """

    def __init__(self, pixels: int, patch: int, width: int, heads: int, blocks: int) -> None:
        super().__init__()
        self.patch = patch
        # Number 0 cuts patches in the released code, and has no weights.
        self.embedding = nn.Sequential(nn.Identity(), nn.Linear(pixels, width))
        self.en = Body(width, heads, blocks)
        self.depatch = Depatch(width, patch)

    def transform(self, tokens: Tensor) -> Tensor:
        """Tokens (B, tokens, pixels) to patches of their own (B, tokens, patch * patch)."""
        return self.depatch(self.en(self.embedding(tokens)))

    def cut(self, x: Tensor) -> Tensor:
        """Cut (B, C, H, W) into patches, (B, C, rows, patch, columns, patch)."""
        return x.unflatten(3, (-1, self.patch)).unflatten(2, (-1, self.patch))


class ChannelTransformer(Transformer):
    """Tokens are the channels of a patch; patches do not see each other."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape; H and W are multiples of the patch."""
        patches = self.cut(x).permute(0, 2, 4, 1, 3, 5)
        made = self.transform(patches.flatten(0, 2).flatten(2)).reshape(patches.shape)
        return made.permute(0, 3, 1, 4, 2, 5).reshape(x.shape)


class SpatialTransformer(Transformer):
    """Tokens are patches with all their channels, the channel running fastest."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, 1, H, W); H and W are multiples of the patch."""
        patches = self.cut(x).permute(0, 2, 4, 3, 5, 1)
        made = self.transform(patches.flatten(1, 2).flatten(2)).reshape(patches.shape[:-1])
        return made.transpose(2, 3).reshape(len(x), 1, *x.shape[-2:])


class Generator(nn.Module):
    """Fuses two images by features of four resolutions, weighted by one map of the transformers.

    The map is unbounded: no sigmoid ends it, as in the released code (T10).

    Args:
        channels: of the features; 64: published.
        channel_patch: side of the patches whose channels attend to each other, 16.
        spatial_patch: side of the patches that attend to each other, 4.
        channel_width: of the transformer of the first kind, a multiple of `heads`, 128.
        spatial_width: of the other one, likewise, 2048.
        heads: of attention, 4.
        blocks: of each transformer, 4.

    Attributes:
        multiple: what height and width must be multiples of, 128.
    """

    def __init__(
        self,
        channels: int,
        channel_patch: int,
        spatial_patch: int,
        channel_width: int,
        spatial_width: int,
        heads: int,
        blocks: int,
    ) -> None:
        super().__init__()
        self.multiple = multiple_of(channel_patch, spatial_patch)
        self.conv_in1 = Layer(2, 2, 1)
        self.conv_out = Layer(channels, 1, 1, last=True)
        self.en0 = Encoder(2, channels)
        self.en1 = Encoder(channels, channels)
        self.en2 = Encoder(channels, channels)
        self.en3 = Encoder(channels, channels)
        self.ctrans3 = ChannelTransformer(
            channel_patch**2, channel_patch, channel_width, heads, blocks
        )
        self.strans3 = SpatialTransformer(
            spatial_patch**2 * channels, spatial_patch, spatial_width, heads, blocks
        )

    def forward(self, visible: Tensor, other: Tensor) -> Tensor:
        """Fuse (B, 1, H, W) in 0..255 twice to (B, 1, H, W), about 0..255 and not clipped."""
        if any(side % self.multiple for side in visible.shape[-2:]):
            raise ValueError(f"{tuple(visible.shape[-2:])} are no multiples of {self.multiple}")
        x0 = self.en0(self.conv_in1(torch.cat([visible, other], dim=1)))
        x1 = self.en1(F.avg_pool2d(x0, 2))
        x2 = self.en2(F.avg_pool2d(x1, 2))
        x3 = self.en3(F.avg_pool2d(x2, 2))
        m3 = self.strans3(self.ctrans3(x3))
        m2 = enlarged(m3, 2)
        m1 = enlarged(m2, 2) + enlarged(m3, 4)
        m0 = enlarged(m1, 2) + enlarged(m2, 4) + enlarged(m3, 8)
        fine = enlarged(x3 * m3, 8) + enlarged(x2 * m2, 4) + enlarged(x1 * m1, 2) + x0 * m0
        return self.conv_out(fine)


def multiple_of(*patches: int) -> int:
    """What height and width must be multiples of for patches of these sides."""
    return REDUCTION * math.lcm(*patches)


def enlarged(x: Tensor, factor: int) -> Tensor:
    """Enlarge (B, C, H, W) bilinearly; corners stay at corners."""
    return F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=True)


def reflected(x: Tensor, multiple: int) -> Tensor:
    """Continue (..., H, W) at bottom and right by reflection to multiples of `multiple`.

    Unlike torch's, the reflection goes on where the image is smaller than what is missing.
    """
    for axis in (-2, -1):
        side = x.shape[axis]
        if side % multiple:
            period = max(2 * (side - 1), 1)
            places = torch.arange(-(-side // multiple) * multiple, device=x.device) % period
            x = x.index_select(axis, torch.minimum(places, period - places).clamp(max=side - 1))
    return x


def greyed(x: Tensor, multiple: int, level: float) -> Tensor:
    """Continue (..., H, W) at bottom and right by `level` to multiples of `multiple`.

    As released (T7): by at least one pixel, so an image that fits is continued too.
    """
    down, right = (multiple - side % multiple for side in x.shape[-2:])
    return F.pad(x, (0, right, 0, down), value=level)
