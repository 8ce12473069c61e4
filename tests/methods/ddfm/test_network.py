"""The prior is the released one: counts, keys and output."""

import math

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from tfsdiff.methods.ddfm import network as networks
from tfsdiff.methods.ddfm.network import (
    Architecture,
    Attention,
    GuidedUNet,
    network_without_weights,
)

RELEASED = Architecture(
    width=256,
    multipliers=(1, 1, 2, 2, 4, 4),
    blocks=2,
    attention_levels=(3, 4, 5),
    head_channels=64,
    groups=32,
    learned_variance=True,
)
SMALL = Architecture(
    width=8,
    multipliers=(1, 2),
    blocks=1,
    attention_levels=(1,),
    head_channels=8,
    groups=4,
    learned_variance=False,
)


def changed(**changes: object) -> Architecture:
    return Architecture(**(SMALL.model_dump() | changes))


def network(settings: Architecture = SMALL) -> GuidedUNet:
    """A network whose last convolutions are no longer zero."""
    torch.manual_seed(0)
    made = GuidedUNet(settings).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return made


def test_number_of_parameters_and_keys() -> None:
    made = network_without_weights(RELEASED)
    assert sum(p.numel() for p in made.parameters()) == 552_814_086
    assert len(made.state_dict()) == 566


def test_keys_of_the_released_prior() -> None:
    shapes = {k: tuple(v.shape) for k, v in network_without_weights(RELEASED).state_dict().items()}
    expected = {
        "time_embed.0.weight": (1024, 256),
        "time_embed.2.bias": (1024,),
        "input_blocks.0.0.weight": (256, 3, 3, 3),
        "input_blocks.3.0.out_layers.3.weight": (256, 256, 3, 3),
        "input_blocks.7.0.skip_connection.weight": (512, 256, 1, 1),
        "input_blocks.10.1.qkv.weight": (1536, 512, 1),
        "input_blocks.13.0.emb_layers.1.weight": (2048, 1024),
        "input_blocks.17.1.proj_out.bias": (1024,),
        "middle_block.1.norm.weight": (1024,),
        "middle_block.2.in_layers.2.weight": (1024, 1024, 3, 3),
        "output_blocks.2.0.in_layers.0.weight": (2048,),
        "output_blocks.2.2.in_layers.2.weight": (1024, 1024, 3, 3),
        "output_blocks.5.0.in_layers.2.weight": (1024, 1536, 3, 3),
        "output_blocks.8.1.qkv.bias": (1536,),
        "output_blocks.11.1.out_layers.0.bias": (512,),
        "output_blocks.12.0.in_layers.2.weight": (256, 768, 3, 3),
        "output_blocks.17.0.skip_connection.bias": (256,),
        "out.0.weight": (256,),
        "out.2.weight": (6, 256, 3, 3),
    }
    assert {key: shapes[key] for key in expected} == expected
    assert "input_blocks.8.1.qkv.weight" not in shapes
    assert "output_blocks.9.1.qkv.weight" not in shapes


def pattern() -> Tensor:
    i = torch.arange(64, dtype=torch.float64)
    phase = torch.arange(3, dtype=torch.float64).view(-1, 1, 1)
    return (torch.sin(0.05 * i.view(-1, 1) + 0.03 * i + phase)).float()[None]


@pytest.mark.slow
def test_fingerprint() -> None:
    """Weights by a fixed rule, the same for the released code; 2.2 GB of them."""
    made = network_without_weights(RELEASED).to_empty(device="cpu")
    for j, (key, tensor) in enumerate(sorted(made.state_dict().items())):
        values = 0.05 * torch.sin(0.1 * torch.arange(tensor.numel(), dtype=torch.float64) + j)
        values += float(tensor.ndim == 1 and key.endswith("weight"))
        tensor.copy_(values.view(tensor.shape))
    with torch.inference_mode():
        y = made(pattern(), torch.tensor([500]))
    got = [v.item() for v in (y.mean(), y.std(), y.flatten()[0], y.flatten()[-1])]
    assert got == pytest.approx((0.049709, 3.630389, -1.825937, 1.883869), rel=1e-4, abs=2e-6)


def test_first_prediction_is_zero() -> None:
    x = torch.randn(2, 3, 8, 12)
    assert torch.equal(GuidedUNet(SMALL)(x, torch.tensor([0, 999])), torch.zeros(2, 3, 8, 12))


@pytest.mark.parametrize("learned", [False, True])
@pytest.mark.parametrize("attention", [(), (0,), (0, 1)])
def test_shapes(learned: bool, attention: tuple[int, ...]) -> None:
    made = network(changed(learned_variance=learned, attention_levels=attention))
    x = torch.randn(2, 3, 6, 10)
    y = made(x, torch.tensor([3, 700]))
    assert y.shape == (2, 6 if learned else 3, 6, 10)
    torch.testing.assert_close(made(x[1:], torch.tensor([700])), y[1:], atol=1e-5, rtol=1e-5)
    assert (made(x[:1], torch.tensor([700])) - y[:1]).abs().max() > 1e-3


def test_odd_sizes_are_refused() -> None:
    assert networks.multiple(RELEASED) == 32
    with pytest.raises(ValueError, match="multiples of 2"):
        network()(torch.zeros(1, 3, 7, 8), torch.tensor([0]))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": 7, "groups": 7}, "must be even"),
        ({"groups": 3}, "multiples of groups"),
        ({"attention_levels": (2,)}, "below the number of multipliers"),
        ({"head_channels": 12}, "multiples of head_channels"),
    ],
)
def test_inconsistent_architectures_are_refused(changes: dict, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        changed(**changes)


def test_heads_are_split_before_query_key_and_value() -> None:
    """Written out for two heads of two channels at two pixels."""
    torch.manual_seed(1)
    made = Attention(4, 2, groups=2)
    torch.nn.init.normal_(made.proj_out.weight)
    x = torch.randn(1, 4, 1, 2)
    with torch.no_grad():
        qkv = made.qkv(made.norm(x).flatten(2))[0]  # (12, 2)
        heads = []
        for head in (qkv[:6], qkv[6:]):
            q, k, v = head[:2], head[2:4], head[4:]
            heads.append(v @ torch.softmax(q.T @ k / math.sqrt(2), dim=1).T)
        expected = x + made.proj_out(torch.cat(heads)[None]).view(1, 4, 1, 2)
        torch.testing.assert_close(made(x), expected)


def test_time_embedding() -> None:
    got = networks.time_embedding(torch.tensor([500]), 4)[0]
    angles = [500.0, 500.0 * math.exp(-math.log(1e4) / 2)]
    expected = [math.cos(a) for a in angles] + [math.sin(a) for a in angles]
    assert got.tolist() == pytest.approx(expected, abs=1e-4)
