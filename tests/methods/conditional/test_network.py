import pytest
import torch
from pydantic import ValidationError

from tfsdiff.methods.conditional.blocks import NoiseEmbedding, SelfAttention
from tfsdiff.methods.conditional.network import SqueezeExcitation
from tfsdiff.methods.conditional.training import initial_unet
from tfsdiff.methods.normalisation import GroupNorm
from tfsdiff.params import UNet

TINY = UNet(
    width=8,
    multipliers=(1, 2),
    blocks=1,
    attention_level=1,
    groups=4,
    dropout=0.0,
    initialisation="kaiming",
)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def randomised(gate: str = "none", settings: UNet = TINY):
    """A network whose last convolution is not zero."""
    settings = settings.model_copy(update={"initialisation": "orthogonal"})
    return initial_unet(9, settings, gate, 4, seeded())


@pytest.mark.parametrize("gate", ["sources", "all", "none"])
@pytest.mark.parametrize("multipliers", [(1,), (1, 2), (1, 1, 3)])
@pytest.mark.parametrize("blocks", [1, 2])
def test_shape(gate: str, multipliers: tuple, blocks: int) -> None:
    settings = TINY.model_copy(
        update={"multipliers": multipliers, "blocks": blocks, "attention_level": None}
    )
    y = randomised(gate, settings)(
        torch.zeros(2, 9, 8, 12), torch.zeros(2, 3, 8, 12), torch.tensor([0.1, 0.9])
    )
    assert y.shape == (2, 3, 8, 12)


def test_images_of_a_batch_do_not_mix() -> None:
    network, c, x = randomised("all"), torch.rand(3, 9, 8, 8), torch.rand(3, 3, 8, 8)
    g = torch.tensor([0.1, 0.5, 0.9])
    alone = [network(c[i : i + 1], x[i : i + 1], g[i : i + 1]) for i in range(3)]
    torch.testing.assert_close(network(c, x, g), torch.cat(alone))


def test_output_depends_on_condition_image_and_level() -> None:
    network, c, x = randomised("sources"), torch.rand(1, 9, 8, 8), torch.rand(1, 3, 8, 8)
    y = network(c, x, torch.tensor([0.5]))
    assert not torch.allclose(y, network(c.flip(1), x, torch.tensor([0.5])))
    assert not torch.allclose(y, network(c, x.flip(1), torch.tensor([0.5])))
    assert not torch.allclose(y, network(c, x, torch.tensor([0.6])))


def test_weights_depend_on_the_generator_alone() -> None:
    torch.manual_seed(1)
    first = initial_unet(3, TINY, "none", 1, seeded(5)).state_dict()
    after = torch.rand(1)
    torch.manual_seed(2)
    second = initial_unet(3, TINY, "none", 1, seeded(5)).state_dict()
    other = initial_unet(3, TINY, "none", 1, seeded(6)).state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert not torch.equal(first["downs.0.weight"], other["downs.0.weight"])
    torch.manual_seed(1)
    assert torch.equal(after, torch.rand(1))  # torch's global generator was not touched


def test_initialisations() -> None:
    kaiming = initial_unet(3, TINY, "none", 1, seeded())
    weight = kaiming.ups[0].res_block.block1.block[3].weight
    assert weight.var().item() == pytest.approx(2 / (weight.shape[1] * 9), rel=0.1)
    assert kaiming.final_conv.block[3].weight.abs().max() == 0
    released = randomised()
    rows = released.final_conv.block[3].weight.flatten(1)
    torch.testing.assert_close(rows @ rows.T, torch.eye(3))
    assert all(p.abs().max() == 0 for k, p in released.named_parameters() if k.endswith("bias"))


def test_wrong_size_is_refused() -> None:
    assert randomised().multiple == 2
    with pytest.raises(ValueError, match="multiples of 2"):
        randomised()(torch.rand(1, 9, 7, 8), torch.rand(1, 3, 7, 8), torch.tensor([0.5]))


@pytest.mark.parametrize(
    "change", [{"groups": 3}, {"width": 7, "groups": 7}, {"attention_level": 2}]
)
def test_inconsistent_settings_are_refused(change: dict) -> None:
    with pytest.raises(ValidationError):
        UNet.model_validate(TINY.model_dump() | change)


def test_noise_embedding() -> None:
    embedded = NoiseEmbedding(8)(torch.tensor([0.3, 1.0]))
    frequencies = 10.0 ** -torch.arange(4)
    torch.testing.assert_close(embedded[0, :4], torch.sin(0.3 * frequencies))
    torch.testing.assert_close(embedded[1, 4:], torch.cos(frequencies))


def test_normalisation_learns_in_float32() -> None:
    x, layer = torch.randn(2, 8, 3, 4).bfloat16(), GroupNorm(2, 8)
    expected = torch.nn.functional.group_norm(x.float(), 2)
    torch.testing.assert_close(layer.train()(x), expected)  # of float32 too
    with torch.autocast("cpu", torch.bfloat16):
        assert layer.eval()(x).dtype == torch.bfloat16  # a CPU draws images faster that way


def test_attention_written_out() -> None:
    layer = SelfAttention(8, groups=2)
    x = torch.randn(2, 8, 3, 4)
    q, k, v = layer.qkv(layer.norm(x)).flatten(2).chunk(3, dim=1)  # (B, C, HW) each
    weights = torch.softmax(q.transpose(1, 2) @ k / 8**0.5, dim=-1)  # (B, HW queries, HW keys)
    y = (v @ weights.transpose(1, 2)).view(x.shape)
    torch.testing.assert_close(layer(x), x + layer.out(y))


def test_gate_scales_channels_by_their_means() -> None:
    gate = SqueezeExcitation(4, ratio=2)
    with torch.no_grad():
        gate.linear1.weight.copy_(torch.tensor([[1.0, 0, 0, 0], [0, -1, 0, 0]]))
        gate.linear1.bias.zero_()
        gate.linear2.weight.copy_(torch.tensor([[1.0, 0], [0, 1], [2, 2], [0, 0]]))
        gate.linear2.bias.copy_(torch.tensor([0.0, 0, 0, -1]))
    x = torch.tensor([0.5, 3.0, 1.0, 1.0]).view(1, 4, 1, 1) * torch.ones(1, 4, 2, 2)
    hidden = torch.tensor([0.5, 0.0])  # ReLU cuts the second
    logits = torch.stack([hidden[0], hidden[1], 2 * hidden.sum(), torch.tensor(-1.0)])
    expected = torch.sigmoid(logits).view(1, 4, 1, 1) * x
    torch.testing.assert_close(gate(x), expected)


def test_gate_on_sources_leaves_the_noisy_image() -> None:
    """With all gates shut only the noisy image reaches the network."""
    shut = {"sources": True, "all": False}
    for gate, sees_noise in shut.items():
        network = randomised(gate)
        with torch.no_grad():
            network.SE_block.linear2.weight.zero_()
            network.SE_block.linear2.bias.fill_(-100)
        c, x, g = torch.rand(1, 9, 8, 8), torch.rand(1, 3, 8, 8), torch.tensor([0.5])
        y = network(c, x, g)
        torch.testing.assert_close(y, network(c.flip(3), x, g))
        assert torch.allclose(y, network(c, x.flip(3), g)) != sees_noise
