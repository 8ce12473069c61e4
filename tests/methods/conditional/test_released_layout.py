"""The networks are the released ones: counts, keys and outputs."""

import math

import pytest
import torch
from torch import Tensor

from tfsdiff.methods.conditional.network import ConditionalUNet
from tfsdiff.params import UNet

DEEP = UNet(
    width=64,
    multipliers=(1, 2, 4, 8, 8),
    blocks=2,
    attention_level=4,
    groups=32,
    dropout=0.2,
    initialisation="orthogonal",
)
WIDE = DEEP.model_copy(
    update={"multipliers": (1, 2, 4, 8, 16), "blocks": 1, "attention_level": None, "dropout": 0.0}
)
SR3_64_512 = WIDE.model_copy(update={"groups": 16})


def released(condition_channels: int, settings: UNet, gate: str) -> ConditionalUNet:
    with torch.device("meta"):
        return ConditionalUNet(condition_channels, settings, gate, ratio=4)


@pytest.mark.parametrize(
    ("channels", "settings", "gate", "count"),
    [
        (9, DEEP, "all", 97_811_034),
        (9, DEEP, "none", 97_810_947),
        (9, WIDE, "all", 155_337_882),
        (9, WIDE, "none", 155_337_795),
        (3, DEEP, "none", 97_807_491),
        (3, SR3_64_512, "none", 155_334_339),
    ],
)
def test_number_of_parameters(channels: int, settings: UNet, gate: str, count: int) -> None:
    network = released(channels, settings, gate)
    assert sum(p.numel() for p in network.parameters()) == count


@pytest.mark.parametrize(
    ("channels", "settings", "gate", "count"),
    [(9, DEEP, "all", 366), (9, WIDE, "all", 233), (3, DEEP, "none", 362), (3, WIDE, "none", 229)],
)
def test_number_of_keys(channels: int, settings: UNet, gate: str, count: int) -> None:
    """Of the network alone: a checkpoint holds twelve buffers more."""
    assert len(released(channels, settings, gate).state_dict()) == count


def test_attention_at_16_pixels_moves_with_the_image_size() -> None:
    """The network from 16 to 128 pixels has as many parameters, but other keys (16 = 128 / 8)."""
    deep_128 = DEEP.model_copy(update={"attention_level": 3})
    here, there = (released(9, settings, "all") for settings in (deep_128, DEEP))
    assert sum(p.numel() for p in here.parameters()) == sum(p.numel() for p in there.parameters())
    only = {key.split(".attn")[0] for key in here.state_dict().keys() - there.state_dict().keys()}
    assert only == {"downs.10", "downs.11", "ups.4", "ups.5", "ups.6"}


def test_keys_of_the_released_tfsdiff() -> None:
    shapes = {k: tuple(v.shape) for k, v in released(9, DEEP, "all").state_dict().items()}
    assert len(shapes) == 366
    expected = {
        "SE_block.linear1.weight": (3, 12),
        "SE_block.linear2.bias": (12,),
        "noise_level_mlp.1.weight": (256, 64),
        "noise_level_mlp.3.weight": (64, 256),
        "downs.0.weight": (64, 12, 3, 3),
        "downs.3.conv.weight": (64, 64, 3, 3),
        "downs.4.res_block.res_conv.weight": (128, 64, 1, 1),
        "downs.13.attn.qkv.weight": (1536, 512, 1, 1),
        "mid.0.attn.out.bias": (512,),
        "mid.1.res_block.block2.block.3.weight": (512, 512, 3, 3),
        "ups.0.res_block.block1.block.0.weight": (1024,),
        "ups.8.res_block.noise_func.noise_func.0.weight": (256, 64),
        "ups.15.conv.bias": (128,),
        "ups.16.res_block.block1.block.3.weight": (64, 192, 3, 3),
        "final_conv.block.0.weight": (64,),
        "final_conv.block.3.weight": (3, 64, 3, 3),
    }
    assert {key: shapes[key] for key in expected} == expected
    assert "mid.1.attn.norm.weight" not in shapes


def fill(network: torch.nn.Module) -> None:
    """Weights by a fixed rule, the same for the released code."""
    for j, (key, tensor) in enumerate(sorted(network.state_dict().items())):
        values = 0.05 * torch.sin(0.1 * torch.arange(tensor.numel(), dtype=torch.float64) + j)
        values += float(tensor.ndim == 1 and key.endswith("weight"))
        tensor.copy_(values.view(tensor.shape))


def pattern(channels: int, pixels: int = 64) -> Tensor:
    i = torch.arange(pixels, dtype=torch.float64)
    phase = torch.arange(channels, dtype=torch.float64).view(-1, 1, 1)
    image = 0.5 + 0.5 * torch.sin(0.05 * i.view(-1, 1) + 0.03 * i + phase)
    return (2 * image - 1).float()[None]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("channels", "settings", "gate", "expected"),
    [
        (9, DEEP, "all", (-0.196872, 1.264745, 0.116257, -0.393079)),
        (3, SR3_64_512, "none", (0.022190, 1.237140, 0.292373, 0.109982)),
    ],
    ids=["tfsdiff 128 to 256", "sr3 64 to 512"],
)
def test_fingerprint(channels: int, settings: UNet, gate: str, expected: tuple) -> None:
    network = released(channels, settings, gate).to_empty(device="cpu").eval()
    fill(network)
    image = pattern(channels + 3)
    with torch.inference_mode():
        y = network(image[:, :channels], image[:, channels:], torch.tensor([0.7]))
    got = (y.mean(), y.std(), y.flatten()[0], y.flatten()[-1])
    assert [v.item() for v in got] == pytest.approx(expected, rel=1e-4, abs=2e-6)
    assert math.isfinite(y.sum())
