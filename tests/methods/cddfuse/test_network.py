"""The networks of CDDFuse are the released ones: counts, shapes and outputs."""

import pytest
import torch
from torch import Tensor, nn

from tfsdiff.methods.cddfuse.network import CDDFuse, Features

COUNTS = {
    "DIDF_Encoder": (89, 599_144),
    "DIDF_Decoder": (47, 207_936),
    "BaseFuseLayer": (11, 363_016),
    "DetailFuseLayer": (11, 18_176),
}
SHAPES = {
    "DIDF_Encoder.patch_embed.proj.weight": (64, 1, 3, 3),
    "DIDF_Encoder.encoder_level1.3.norm1.body.weight": (64,),
    "DIDF_Encoder.encoder_level1.3.norm2.body.bias": (64,),
    "DIDF_Encoder.encoder_level1.0.attn.temperature": (8, 1, 1),
    "DIDF_Encoder.encoder_level1.0.attn.qkv.weight": (192, 64, 1, 1),
    "DIDF_Encoder.encoder_level1.0.attn.qkv_dwconv.weight": (192, 1, 3, 3),
    "DIDF_Encoder.encoder_level1.0.attn.project_out.weight": (64, 64, 1, 1),
    "DIDF_Encoder.encoder_level1.0.ffn.project_in.weight": (256, 64, 1, 1),
    "DIDF_Encoder.encoder_level1.0.ffn.dwconv.weight": (256, 1, 3, 3),
    "DIDF_Encoder.encoder_level1.0.ffn.project_out.weight": (64, 128, 1, 1),
    "DIDF_Encoder.baseFeature.attn.scale": (8, 1, 1),
    "DIDF_Encoder.baseFeature.attn.qkv1.weight": (192, 64, 1, 1),
    "DIDF_Encoder.baseFeature.attn.qkv2.weight": (192, 192, 3, 3),
    "DIDF_Encoder.baseFeature.attn.proj.weight": (64, 64, 1, 1),
    "DIDF_Encoder.baseFeature.mlp.project_in.weight": (128, 64, 1, 1),
    "DIDF_Encoder.baseFeature.mlp.dwconv.weight": (128, 2, 3, 3),
    "DIDF_Encoder.baseFeature.mlp.project_out.weight": (64, 64, 1, 1),
    "DIDF_Encoder.detailFeature.net.2.shffleconv.weight": (64, 64, 1, 1),
    "DIDF_Encoder.detailFeature.net.2.shffleconv.bias": (64,),
    "DIDF_Encoder.detailFeature.net.2.theta_phi.bottleneckBlock.0.weight": (64, 32, 1, 1),
    "DIDF_Encoder.detailFeature.net.2.theta_rho.bottleneckBlock.3.weight": (64, 1, 3, 3),
    "DIDF_Encoder.detailFeature.net.2.theta_eta.bottleneckBlock.5.weight": (32, 64, 1, 1),
    "DIDF_Decoder.reduce_channel.weight": (64, 128, 1, 1),
    "DIDF_Decoder.encoder_level2.3.ffn.dwconv.weight": (256, 1, 3, 3),
    "DIDF_Decoder.output.0.weight": (32, 64, 3, 3),
    "DIDF_Decoder.output.2.weight": (1, 32, 3, 3),
    "BaseFuseLayer.attn.qkv2.weight": (192, 192, 3, 3),
    "DetailFuseLayer.net.0.theta_phi.bottleneckBlock.3.weight": (64, 1, 3, 3),
}


def released() -> CDDFuse:
    with torch.device("meta"):
        return CDDFuse(width=64, heads=8, blocks=4)


def test_numbers_of_keys_and_parameters() -> None:
    network = released()
    assert [name for name, _ in network.named_children()] == list(COUNTS)
    for name, part in network.named_children():
        count = sum(p.numel() for p in part.parameters() if p.requires_grad)
        assert (len(part.state_dict()), count) == COUNTS[name]
    assert sum(p.numel() for p in network.parameters()) == 1_188_272


def test_keys_and_shapes() -> None:
    shapes = {key: tuple(value.shape) for key, value in released().state_dict().items()}
    assert {key: shapes[key] for key in SHAPES} == SHAPES


def fill(part: nn.Module) -> None:
    """Weights by a fixed rule, the same for the released code; each part is filled by itself."""
    for j, (key, tensor) in enumerate(sorted(part.state_dict().items())):
        values = 0.05 * torch.sin(0.1 * torch.arange(tensor.numel(), dtype=torch.float64) + j)
        values += float(tensor.ndim == 1 and key.endswith("weight"))
        values += float(key.endswith(("temperature", "scale")))
        tensor.copy_(values.view(tensor.shape))


def pattern(phase: float, pixels: int = 64) -> Tensor:
    i = torch.arange(pixels, dtype=torch.float64)
    image = 0.5 + 0.5 * torch.sin(0.05 * i.view(-1, 1) + 0.03 * i + phase)
    return image.float()[None, None]


@pytest.fixture(scope="module")
def outputs() -> dict[str, Tensor]:
    network = released().to_empty(device="cpu").eval()
    for part in network.children():
        fill(part)
    first, second = pattern(0.0), pattern(1.0)
    with torch.inference_mode():
        a, b = network.encode(first), network.encode(second)
        fused = network.join([a, b])
        return {
            "base": a.base,
            "detail": a.detail,
            "shallow": network.DIDF_Encoder.shallow(first),
            "base fuse": fused.base,
            "detail fuse": fused.detail,
            "no skip": network.decode(fused, None),
            "skip": network.decode(fused, first),
            "forward": network([first, second], first),
        }


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("base", (0.002394, 0.219836, 0.059878, 0.002831)),
        ("detail", (0.009455, 0.112002, 0.171030, 0.045316)),
        ("shallow", (0.002400, 0.219836, 0.059874, 0.002788)),
        ("base fuse", (0.003123, 0.368808, 0.167471, 0.031121)),
        ("detail fuse", (0.055045, 0.400753, 0.141303, 0.582316)),
        ("no skip", (0.396312, 0.020538, 0.468299, 0.467887)),
        ("skip", (0.556763, 0.093155, 0.592190, 0.474513)),
        ("forward", (0.556763, 0.093155, 0.592190, 0.474513)),
    ],
)
def test_fingerprint(name: str, expected: tuple, outputs: dict[str, Tensor]) -> None:
    y = outputs[name]
    got = [v.item() for v in (y.mean(), y.std(), y.flatten()[0], y.flatten()[-1])]
    assert got == pytest.approx(expected, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("sides", [(16, 16), (13, 22)])
def test_any_size_and_width(sides: tuple[int, int]) -> None:
    torch.manual_seed(0)
    network = CDDFuse(width=8, heads=2, blocks=1).eval()
    images = torch.rand(3, 2, 1, *sides)
    with torch.inference_mode():
        pair, triple = (network(list(images[:n]), None) for n in (2, 3))
        alone = network([image[1:] for image in images], None)
        swapped = network([images[1], images[0]], None)
    assert pair.shape == triple.shape == (2, 1, *sides)
    assert torch.all((pair > 0) & (pair < 1))
    torch.testing.assert_close(alone, triple[1:], atol=1e-5, rtol=0)
    torch.testing.assert_close(swapped, pair)  # features are summed
    assert not torch.allclose(pair, triple)


def test_a_skip_shifts_the_logits() -> None:
    torch.manual_seed(0)
    network = CDDFuse(width=8, heads=2, blocks=1).eval()
    features, skip = Features(*torch.randn(2, 1, 8, 9, 9)), torch.rand(1, 1, 9, 9)
    with torch.inference_mode():
        plain, shifted = (network.decode(features, one).logit() for one in (None, skip))
    torch.testing.assert_close(shifted - plain, skip, atol=1e-4, rtol=0)
