"""The generator of TGFuse and VGG-16 are the published ones: counts, shapes, outputs, weights."""

import socket
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor

from tfsdiff.common.errors import InputError
from tfsdiff.methods.tgfuse import vgg
from tfsdiff.methods.tgfuse.network import Generator, greyed, reflected
from tfsdiff.methods.tgfuse.vgg import VGG, pretrained
from tfsdiff.pretrained import DOWNLOAD_TIMEOUT_SECONDS

SHAPES = {
    "conv_in1.conv2d.weight": (2, 2, 1, 1),
    "en0.conv1.conv2d.weight": (64, 2, 1, 1),
    "en3.conv1.conv2d.weight": (64, 64, 1, 1),
    "en1.res.conv2.conv2d.weight": (64, 64, 3, 3),
    "en2.res.bn1.running_var": (64,),
    "en0.res.bn2.num_batches_tracked": (),
    "en0.conv2.conv2d.bias": (64,),
    "ctrans3.embedding.1.weight": (128, 256),
    "ctrans3.en.blocks.3.attn.qkv.weight": (384, 128),
    "ctrans3.en.blocks.0.mlp.fc1.weight": (256, 128),
    "ctrans3.depatch.projection.0.bias": (256,),
    "strans3.embedding.1.weight": (2048, 1024),
    "strans3.en.blocks.0.norm2.bias": (2048,),
    "strans3.en.blocks.1.attn.proj.bias": (2048,),
    "strans3.en.blocks.2.attn.qkv.weight": (6144, 2048),
    "strans3.en.blocks.3.mlp.fc2.weight": (2048, 4096),
    "strans3.en.norm.weight": (2048,),
    "strans3.depatch.projection.0.weight": (16, 2048),
    "conv_out.conv2d.weight": (1, 64, 1, 1),
}
WEIGHTS = "weights/vgg16_features_relu4_3.safetensors"


def released() -> Generator:
    with torch.device("meta"):
        return Generator(64, 16, 4, 128, 2048, heads=4, blocks=4)


def small(channel_patch: int = 2, spatial_patch: int = 2) -> Generator:
    torch.manual_seed(0)
    return Generator(4, channel_patch, spatial_patch, 8, 12, heads=2, blocks=1).eval()


def test_numbers_of_keys_parameters_and_buffers() -> None:
    network = released()
    assert len(network.state_dict()) == 176
    assert sum(p.numel() for p in network.parameters()) == 137_339_735
    assert sum(b.numel() for b in network.buffers()) == 1_032
    assert sum(p.numel() for p in network.ctrans3.parameters()) == 594_560
    assert sum(p.numel() for p in network.strans3.parameters()) == 136_419_344
    assert network.multiple == 128


def test_keys_and_shapes() -> None:
    shapes = {key: tuple(value.shape) for key, value in released().state_dict().items()}
    assert {key: shapes[key] for key in SHAPES} == SHAPES
    assert not any("attn.qkv.bias" in key for key in shapes)


def fill(network: Generator) -> None:
    """Weights by a fixed rule, the same for the released code; running statistics stay 0 and 1."""
    state = {
        key: x
        for key, x in network.state_dict().items()
        if x.is_floating_point() and "running" not in key
    }
    for j, (key, tensor) in enumerate(sorted(state.items())):
        values = torch.arange(tensor.numel(), dtype=torch.float64)
        values.mul_(0.1).add_(j).sin_().mul_(0.05)
        values += float(tensor.ndim == 1 and key.endswith("weight"))
        tensor.copy_(values.view(tensor.shape))


def pattern(phase: float, pixels: int = 128) -> Tensor:
    i = torch.arange(pixels, dtype=torch.float64)
    image = 0.5 + 0.5 * torch.sin(0.05 * i.view(-1, 1) + 0.03 * i + phase)
    return 255 * image.float()[None, None]


@pytest.mark.slow
def test_fingerprint() -> None:
    network = released().to_empty(device="cpu").eval()
    for key, buffer in network.named_buffers():
        buffer.fill_("running_var" in key)
    fill(network)
    with torch.inference_mode():
        y = network(pattern(0.0), pattern(1.0))
    got = [v.item() for v in (y.mean(), y.std(), y.flatten()[0], y.flatten()[-1])]
    assert got == pytest.approx((0.103981, 0.522200, 1.639280, 1.693130), rel=1e-4, abs=2e-6)


@pytest.mark.parametrize(("patches", "multiple"), [((2, 2), 16), ((2, 3), 48), ((4, 2), 32)])
def test_sides_are_multiples_of_both_patches(patches: tuple[int, int], multiple: int) -> None:
    network = small(*patches)
    assert network.multiple == multiple
    images = 255 * torch.rand(2, 2, 1, multiple, 2 * multiple)
    with torch.inference_mode():
        fused = network(*images)
        assert fused.shape == images.shape[1:]
        torch.testing.assert_close(network(*images[:, 1:]), fused[1:], atol=1e-4, rtol=1e-4)
        assert not torch.allclose(network(*images.flip(0)), fused)  # it knows its slots
    with pytest.raises(ValueError, match=f"no multiples of {multiple}"):
        network(*images[..., 1:])


def test_transformers_keep_pixels_in_place() -> None:
    """With identities for all that is learned, patches go back to where they came from."""
    network, x = small(4, 4), torch.rand(2, 4, 8, 16)
    for transformer in (network.ctrans3, network.strans3):
        transformer.en = transformer.depatch = transformer.embedding = torch.nn.Identity()
    assert torch.equal(network.ctrans3(x), x)
    assert torch.equal(network.strans3(x[:, :1]), x[:, :1])


def test_channel_runs_fastest_in_a_spatial_token() -> None:
    transformer, seen = small().strans3, []
    transformer.embedding.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    x = torch.arange(4 * 4 * 6.0).view(1, 4, 4, 6)
    with torch.inference_mode():
        transformer(x)
    assert seen[0].shape == (1, 6, 16)
    assert torch.equal(seen[0][0, 4, :5], torch.tensor([*x[0, :, 2, 2], x[0, 0, 2, 3]]))


@pytest.mark.parametrize("sides", [(16, 16), (17, 31), (33, 5), (1, 2)])
def test_reflection_goes_on_and_on(sides: tuple[int, int]) -> None:
    x = torch.rand(2, 1, *sides)
    padded = reflected(x, 16)
    assert all(side % 16 == 0 for side in padded.shape[-2:])
    assert torch.equal(padded[..., : sides[0], : sides[1]], x)
    rows, columns = (s - n for s, n in zip(padded.shape[-2:], sides, strict=True))
    if rows < sides[0] and columns < sides[1]:
        assert torch.equal(padded, F.pad(x, (0, columns, 0, rows), mode="reflect"))
    elif columns > sides[1] > 2:
        assert torch.equal(padded[..., 2 * sides[1] - 2], padded[..., 0])


def test_reflection_leaves_what_fits() -> None:
    x = torch.rand(1, 1, 32, 16)
    assert reflected(x, 16) is x


@pytest.mark.parametrize(("side", "expected"), [(16, 256), (255, 256), (256, 512), (300, 512)])
def test_grey_adds_at_least_a_pixel(side: int, expected: int) -> None:
    x = torch.rand(1, 1, side, 256)
    padded = greyed(x, 256, 128.0)
    assert padded.shape == (1, 1, expected, 512)
    assert torch.equal(padded[..., :side, :256], x)
    assert padded[..., side:, :].unique().tolist() == [128.0]
    assert padded[..., 256:].unique().tolist() == [128.0]


def test_groups_of_vgg() -> None:
    with torch.device("meta"):
        network = VGG("relu_4_3", 1.0)
    shapes = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    assert len(shapes) == 22
    assert sum(p.numel() for p in network.parameters()) == 7_635_264 + 6
    expected = {
        "conv0.weight": (3, 1, 1, 1),
        "to_relu_1_2.2.weight": (64, 64, 3, 3),
        "to_relu_2_2.5.weight": (128, 64, 3, 3),
        "to_relu_3_3.14.bias": (256,),
        "to_relu_4_3.21.weight": (512, 512, 3, 3),
    }
    assert {key: shapes[key] for key in expected} == expected
    layers = {name: [*group._modules] for name, group in network.named_children()}
    assert layers["to_relu_1_2"] == ["0", "1", "2", "3"]
    assert layers["to_relu_4_3"] == [str(i) for i in range(16, 23)]


def test_depth_and_width_of_vgg() -> None:
    network = VGG("relu_3_3", 0.125)
    assert network(torch.rand(2, 1, 16, 20)).shape == (2, 32, 4, 5)
    assert not hasattr(network, "to_relu_4_3")


@pytest.mark.shared
def test_vgg_is_that_of_torchvision(shared: Path) -> None:
    if not (shared / WEIGHTS).is_file():
        pytest.skip(f"no {shared / WEIGHTS}")
    torchvision = pytest.importorskip("torchvision")
    tensors = load_file(shared / WEIGHTS)
    with torch.device("meta"):
        theirs = torchvision.models.vgg16(weights=None).features[:23]
    state = {key.removeprefix("features."): x for key, x in tensors.items()}
    theirs.load_state_dict(state, assign=True)
    ours = VGG("relu_4_3", 1.0)
    ours.take(pretrained(str(shared / WEIGHTS)))
    image = 255 * torch.rand(1, 1, 32, 32)
    with torch.inference_mode():
        expected = theirs(F.conv2d(image, ours.conv0.weight, ours.conv0.bias))
        torch.testing.assert_close(ours(image), expected, rtol=1e-5, atol=1e-3)


@pytest.fixture
def features(monkeypatch: pytest.MonkeyPatch, rng: torch.Generator) -> dict[str, Tensor]:
    """Tensors of a VGG-16 with few maps, which is then taken for the true one."""
    groups = {name: (maps // 32, places) for name, (maps, places) in vgg.GROUPS.items()}
    monkeypatch.setattr(vgg, "GROUPS", groups)
    state = VGG("relu_4_3", 1.0).state_dict()
    return {
        f"features.{key.partition('.')[2]}": torch.randn(x.shape, generator=rng)
        for key, x in state.items()
        if "conv0" not in key
    }


def test_features_are_read(features: dict[str, Tensor], tmp_path: Path) -> None:
    save_file(features | {"features.24.weight": torch.ones(3)}, tmp_path / "vgg.safetensors")
    got = pretrained(str(tmp_path / "vgg.safetensors"))
    assert got.keys() == features.keys()
    network = VGG("relu_3_3", 1.0)
    first = network.conv0.weight.clone()
    network.take(got)
    assert torch.equal(network.to_relu_3_3[-2].weight, features["features.14.weight"])
    assert torch.equal(network.conv0.weight, first)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("missing", "is no file"),
        ("damaged", "(?i)header"),
        ("lacks", "features.14.bias is missing"),
        ("shape", "features.14.bias must be finite and of shape"),
        ("nan", "features.14.bias must be finite"),
    ],
)
def test_wrong_features_are_refused(
    how: str, message: str, features: dict[str, Tensor], tmp_path: Path
) -> None:
    path, key = tmp_path / "vgg.safetensors", "features.14.bias"
    if how == "lacks":
        del features[key]
    elif how == "shape":
        features[key] = torch.ones(3)
    elif how == "nan":
        features[key][0] = torch.nan
    if how == "damaged":
        path.write_bytes(b"\xff" * 20)
    elif how != "missing":
        save_file(features, path)
    with pytest.raises(InputError, match=message) as error:
        pretrained(str(path))
    assert str(error.value).startswith(str(path))
    assert 'or "random"' in str(error.value)
    assert "\n" not in str(error.value)


def test_features_that_cannot_be_downloaded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(*given: object, **named: object) -> None:
        assert socket.getdefaulttimeout() == DOWNLOAD_TIMEOUT_SECONDS
        raise OSError("no network here")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub.urlopen", refuse)
    with pytest.raises(
        InputError, match=f"could not be downloaded from {vgg.URL}.*no network here"
    ):
        pretrained("torchvision")
    assert socket.getdefaulttimeout() is None


def test_downloaded_features_are_taken(
    features: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", lambda *a, **b: dict(features))
    assert pretrained("torchvision").keys() == features.keys()
