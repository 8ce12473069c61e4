"""LPIPS with AlexNet, version 0.1, never from random weights.

The weights of the heads are in the `lpips` package; those of the backbone come from a user's file
or are those that torchvision downloads. If they are not available, `load` returns the reason
instead of a network. Neither package is imported, as that would add seconds to every evaluation.
"""

import importlib.util
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tfsdiff.common.errors import InputError
from tfsdiff.metrics.windows import PEAK, checked_pair
from tfsdiff.pretrained import DAMAGES, TORCHVISION, download, read, take

SMALLEST_SIDE = 31  # a smaller image vanishes in AlexNet's poolings
# What torchvision calls AlexNet_Weights.IMAGENET1K_V1; the digits are the SHA-256.
URL = "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth"
_SHAPES = {  # of the convolutions, by their index in AlexNet's `features`
    "0": (64, 3, 11, 11),
    "3": (192, 64, 5, 5),
    "6": (384, 192, 3, 3),
    "8": (256, 384, 3, 3),
    "10": (256, 256, 3, 3),
}
_STRIDE_AND_PADDING = {"0": (4, 2), "3": (1, 2), "6": (1, 1), "8": (1, 1), "10": (1, 1)}
_POOLED = {"3", "6"}  # layers that see the maximum over 3 x 3 pixels, every second one
_HEADS = "weights/v0.1/alex.pth"  # inside the package
_CURE = 'give the AlexNet features as safetensors, or "torchvision" to download them'


@dataclass(frozen=True)
class Unavailable:
    """Takes the place of the network if LPIPS cannot be computed, and says why."""

    reason: str


class Network(nn.Module):
    """AlexNet's five convolutions and the linear heads that LPIPS puts on them, without weights.

    Krizhevsky, "One weird trick for parallelizing convolutional neural networks", arXiv 1404.5997,
    in the layout that torchvision trained; heads and scaling of Zhang et al., CVPR 2018, section 3.
    """

    def __init__(self) -> None:
        super().__init__()
        self.features, self.heads = nn.ModuleDict(), nn.ParameterDict()
        # On the meta device nothing is drawn and nothing can be computed before weights are loaded.
        for layer, (maps, channels, side, _) in _SHAPES.items():
            how = _STRIDE_AND_PADDING[layer]
            self.features[layer] = nn.Conv2d(channels, maps, side, *how, device="meta")
            self.heads[layer] = nn.Parameter(torch.empty(maps, device="meta"))
        # Mean and deviation of ImageNet's colours, mapped to [-1, 1].
        mean, deviation = torch.tensor([[-0.030, -0.088, -0.188], [0.458, 0.448, 0.450]])
        self.register_buffer("mean", mean[:, None, None], persistent=False)
        self.register_buffer("deviation", deviation[:, None, None], persistent=False)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Map images (B, 3, H, W) in [-1, 1] to the rectified output of each layer (B, C, h, w)."""
        maps, layers = (images - self.mean) / self.deviation, []
        for layer, convolution in self.features.items():
            if layer in _POOLED:
                maps = F.max_pool2d(maps, kernel_size=3, stride=2)
            maps = convolution(maps).relu()
            layers.append(maps)
        return layers


def lpips(fused: Tensor, reference: Tensor, network: Network) -> Tensor:
    """Perceptual distance, 0 for equal images, lower is better; symmetric in its arguments.

    Zhang et al., "The unreasonable effectiveness of deep features as a perceptual metric", CVPR
    2018, equation (1); AlexNet, linear heads v0.1, inputs mapped from 0..255 to [-1, 1]; float32.

    Args:
        fused: (..., 3, H, W) in 0..255, H and W at least 31.
        reference: the same size; the leading dimensions broadcast.
        network: what `load` gave.

    Returns:
        (...), not negative, float64.
    """
    fused, reference = checked_pair(fused, reference, side=SMALLEST_SIDE)
    heads = network.heads.values()
    layers = zip(_features(fused, network), _features(reference, network), heads, strict=True)
    with torch.no_grad():
        return sum(_layer_distance(x, y, head) for x, y, head in layers).double()


def _features(images: Tensor, network: Network) -> list[Tensor]:
    """Unit-length features of the five layers, each (..., C, h, w)."""
    leading, size = images.shape[:-3], images.shape[-3:]
    device = next(network.parameters()).device
    scaled = images.reshape(-1, *size).to(device, torch.float32) / (PEAK / 2) - 1
    with torch.no_grad():
        # One image at a time: then a value does not depend on what else is in the batch.
        each = [network(one) for one in scaled.split(1)]
        layers = [torch.cat(layer) for layer in zip(*each, strict=True)]
        return [_unit(layer).reshape(*leading, *layer.shape[1:]) for layer in layers]


def _unit(features: Tensor) -> Tensor:
    return features / (features.square().sum(1, keepdim=True).sqrt() + 1e-10)


def _layer_distance(x: Tensor, y: Tensor, head: Tensor) -> Tensor:
    # The head is a 1 x 1 convolution without bias, so the mean over pixels may come before it.
    return ((x - y).square().mean((-2, -1)) * head).sum(-1)


def load(backbone: str) -> Network | Unavailable:
    """Build the LPIPS network from the backbone that the parameter `metrics.lpips_backbone` names.

    Args:
        backbone: a safetensors file with torchvision's `features.{0,3,6,8,10}.{weight,bias}`, or
            "torchvision" for what torchvision has in its cache or downloads.

    Raises:
        InputError: the configured file is missing or does not hold these tensors.
    """
    features = _download() if backbone == TORCHVISION else _read(Path(backbone))
    heads = _read_heads()
    for part in (features, heads):
        if isinstance(part, Unavailable):
            return part
    network = Network()
    network.load_state_dict(features | heads, assign=True)
    return network.requires_grad_(False).eval()


def _read(path: Path) -> dict[str, Tensor]:
    try:
        return read(path, _shapes())
    except ValueError as error:
        raise InputError(f"metrics.lpips_backbone: {error}; {_CURE}") from None


def _download() -> dict[str, Tensor] | Unavailable:
    try:
        return download(URL, _shapes())
    except ValueError as error:
        return Unavailable(f"AlexNet {error}")


def _shapes() -> dict[str, tuple[int, ...]]:
    """Shapes of the ten backbone tensors, by torchvision's keys."""
    shapes = {f"features.{layer}.weight": shape for layer, shape in _SHAPES.items()}
    return shapes | {f"features.{layer}.bias": shape[:1] for layer, shape in _SHAPES.items()}


def _read_heads() -> dict[str, Tensor] | Unavailable:
    """Read the heads (C,) from the file in the `lpips` package, which need not be imported."""
    package = importlib.util.find_spec("lpips")
    if package is None or package.origin is None:
        return Unavailable("the package lpips is not installed")
    try:
        path = Path(package.origin).parent / _HEADS
        weights = torch.load(path, map_location="cpu", weights_only=True)
        return {
            f"heads.{layer}": take(weights, f"lin{slot}.model.1.weight", (1, maps, 1, 1)).flatten()
            for slot, (layer, (maps, *_)) in enumerate(_SHAPES.items())
        }
    except FileNotFoundError:
        reason = "is missing"
    except (*DAMAGES, OSError):
        reason = "is damaged or of another layout"
    return Unavailable(f"{_HEADS} in the package lpips {reason}; install lpips 0.1.4 again")
