"""The networks of CDDFuse; attribute names give the keys of the released code.

Source: Z. Zhao et al., "CDDFuse: Correlation-driven dual-branch feature decomposition for
multi-modality image fusion", CVPR 2023, section 3.2, as its released code has it. Letters
such as C1 are entries of docs/methods/cddfuse.md.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

NODES = 3  # coupling nodes of the encoder's detail branch; the fusion layer has one
SLOPE = 0.01  # of the leaky rectifier in front of the image

Skip = Literal["none", "visible", "sum"]


class Features(NamedTuple):
    """What an image is taken apart into: (B, width, H, W) each.

    Attributes:
        base: what images of one scene share.
        detail: what each has of its own.
    """

    base: Tensor
    detail: Tensor


class Norm(nn.Module):
    """Normalises the channels of every pixel."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, width, H, W) to the same shape."""
        return self.body(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def _pointwise(cin: int, cout: int) -> nn.Conv2d:
    return nn.Conv2d(cin, cout, 1, bias=False)


def _around(cin: int, cout: int, groups: int = 1) -> nn.Conv2d:
    return nn.Conv2d(cin, cout, 3, padding=1, groups=groups, bias=False)


def attend(qkv: Tensor, temperature: Tensor) -> Tensor:
    """Attention between channels: each head mixes its channels, the same way at all pixels.

    Args:
        qkv: queries, keys and values one after another, (B, 3 width, H, W).
        temperature: (heads, 1, 1), by which the similarity of a query and a key is multiplied.

    Returns:
        (B, width, H, W).
    """
    heads = temperature.shape[0]
    # Contiguous: torch sums pixels apart in memory naively, and loses two digits.
    q, k, v = (x.flatten(2).unflatten(1, (heads, -1)).contiguous() for x in qkv.chunk(3, dim=1))
    similarity = F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).transpose(-2, -1)
    mixed = (similarity * temperature).softmax(dim=-1) @ v
    return mixed.flatten(1, 2).unflatten(2, qkv.shape[-2:])


class Attention(nn.Module):
    """Attention of a Restormer block: queries, keys and values are filtered depthwise."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))
        self.qkv = _pointwise(width, 3 * width)
        self.qkv_dwconv = _around(3 * width, 3 * width, groups=3 * width)
        self.project_out = _pointwise(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, width, H, W) to the same shape."""
        return self.project_out(attend(self.qkv_dwconv(self.qkv(x)), self.temperature))


class BaseAttention(nn.Module):
    """Attention of the base branch: the filter sees all channels (C1)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(heads, 1, 1))
        self.qkv1 = _pointwise(width, 3 * width)
        self.qkv2 = _around(3 * width, 3 * width)
        self.proj = _pointwise(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, width, H, W) to the same shape."""
        return self.proj(attend(self.qkv2(self.qkv1(x)), self.scale))


class FeedForward(nn.Module):
    """Two hidden halves, one of them gates the other.

    Args:
        width: of input and output.
        hidden: of a half.
        groups: of the filter; 2 hidden is depthwise, the base branch has half as many (C2).
    """

    def __init__(self, width: int, hidden: int, groups: int) -> None:
        super().__init__()
        self.project_in = _pointwise(width, 2 * hidden)
        self.dwconv = _around(2 * hidden, 2 * hidden, groups)
        self.project_out = _pointwise(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, width, H, W) to the same shape."""
        gate, value = self.dwconv(self.project_in(x)).chunk(2, dim=1)
        return self.project_out(F.gelu(gate) * value)


class RestormerBlock(nn.Module):
    """Attention between channels, then a gated feed-forward, both residual."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = Norm(width)
        self.attn = Attention(width, heads)
        self.norm2 = Norm(width)
        self.ffn = FeedForward(width, 2 * width, groups=4 * width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, width, H, W) to the same shape."""
        x = x + self.attn(self.norm1(x))
        return x + self.ffn(self.norm2(x))


class BaseBranch(nn.Module):
    """What makes base features of shallow ones, and fused ones of a sum."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = Norm(width)
        self.attn = BaseAttention(width, heads)
        self.norm2 = Norm(width)
        self.mlp = FeedForward(width, width, groups=width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, width, H, W) to the same shape."""
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class Bottleneck(nn.Module):
    """Function of half the channels to as many, by twice as many."""

    def __init__(self, half: int) -> None:
        super().__init__()
        hidden = 2 * half
        self.bottleneckBlock = nn.Sequential(
            _pointwise(half, hidden),
            nn.ReLU6(),
            nn.ReflectionPad2d(1),
            nn.Conv2d(hidden, hidden, 3, groups=hidden, bias=False),
            nn.ReLU6(),
            _pointwise(hidden, half),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, half, H, W) to the same shape."""
        return self.bottleneckBlock(x)


class CouplingNode(nn.Module):
    """One half of the channels shifts the other, which then scales and shifts the first."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.theta_phi = Bottleneck(width // 2)
        self.theta_rho = Bottleneck(width // 2)
        self.theta_eta = Bottleneck(width // 2)
        self.shffleconv = nn.Conv2d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, width, H, W) to the same shape."""
        first, second = self.shffleconv(x).chunk(2, dim=1)
        second = second + self.theta_phi(first)
        first = first * self.theta_rho(second).exp() + self.theta_eta(second)
        return torch.cat([first, second], dim=1)


class DetailBranch(nn.Module):
    """Coupling nodes in a row."""

    def __init__(self, width: int, nodes: int) -> None:
        super().__init__()
        self.net = nn.Sequential(*(CouplingNode(width) for _ in range(nodes)))

    def forward(self, x: Tensor) -> Tensor:
        """(B, width, H, W) to the same shape."""
        return self.net(x)


class Embedding(nn.Module):
    """First convolution."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = _around(1, width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 1, H, W) to (B, width, H, W)."""
        return self.proj(x)


class Encoder(nn.Module):
    """Takes an image apart."""

    def __init__(self, width: int, heads: int, blocks: int) -> None:
        super().__init__()
        self.patch_embed = Embedding(width)
        self.encoder_level1 = nn.Sequential(*(RestormerBlock(width, heads) for _ in range(blocks)))
        self.baseFeature = BaseBranch(width, heads)
        self.detailFeature = DetailBranch(width, NODES)

    def shallow(self, image: Tensor) -> Tensor:
        """What both branches start from: (B, 1, H, W) to (B, width, H, W)."""
        return self.encoder_level1(self.patch_embed(image))

    def forward(self, image: Tensor) -> Features:
        """Take (B, 1, H, W) in [0, 1] apart."""
        shallow = self.shallow(image)
        return Features(self.baseFeature(shallow), self.detailFeature(shallow))


class Decoder(nn.Module):
    """Makes an image of features."""

    def __init__(self, width: int, heads: int, blocks: int) -> None:
        super().__init__()
        self.reduce_channel = _pointwise(2 * width, width)
        self.encoder_level2 = nn.Sequential(*(RestormerBlock(width, heads) for _ in range(blocks)))
        self.output = nn.Sequential(
            _around(width, width // 2), nn.LeakyReLU(SLOPE), _around(width // 2, 1)
        )

    def forward(self, features: Features, skip: Tensor | None) -> Tensor:
        """Make an image (B, 1, H, W) in [0, 1]; `skip` (B, 1, H, W) is added in front of the end.

        In front of the sigmoid, that is: a skip is a shift of the logits.
        """
        x = self.encoder_level2(self.reduce_channel(torch.cat(features, dim=1)))
        logits = self.output(x)
        return torch.sigmoid(logits if skip is None else logits + skip)


class CDDFuse(nn.Module):
    """Encoder, decoder and the two fusion layers, under the names of a released checkpoint.

    Args:
        width: of the features, even and a multiple of `heads`.
        heads: of attention.
        blocks: Restormer blocks of encoder and decoder.
    """

    def __init__(self, width: int, heads: int, blocks: int) -> None:
        super().__init__()
        self.DIDF_Encoder = Encoder(width, heads, blocks)
        self.DIDF_Decoder = Decoder(width, heads, blocks)
        self.BaseFuseLayer = BaseBranch(width, heads)
        self.DetailFuseLayer = DetailBranch(width, nodes=1)

    def encode(self, image: Tensor) -> Features:
        """Take (B, 1, H, W) in [0, 1] apart."""
        return self.DIDF_Encoder(image)

    def decode(self, features: Features, skip: Tensor | None) -> Tensor:
        """Make an image (B, 1, H, W) in [0, 1] of features."""
        return self.DIDF_Decoder(features, skip)

    def join(self, parts: Sequence[Features]) -> Features:
        """Fuse the features of two images or more: they are summed first."""
        base, detail = (sum(rest, start=first) for first, *rest in zip(*parts, strict=True))
        return Features(self.BaseFuseLayer(base), self.DetailFuseLayer(detail))

    def forward(self, images: Sequence[Tensor], skip: Tensor | None) -> Tensor:
        """Fuse images (B, 1, H, W) in [0, 1] to one, with `skip` as of the decoder."""
        return self.decode(self.join([self.encode(image) for image in images]), skip)


def skip_image(images: Sequence[Tensor], skip: Skip) -> Tensor | None:
    """What the decoder is given beside fused features: nothing, the first image, or their sum."""
    if skip == "none":
        return None
    first, *rest = images
    return first if skip == "visible" else sum(rest, start=first)
