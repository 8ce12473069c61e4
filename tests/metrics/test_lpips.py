"""LPIPS: the published example, and what happens when its weights cannot be had."""

import email.message
import importlib
import io
import socket
import subprocess
import sys
import urllib.error

import pytest
import torch
from safetensors.torch import load_file, save_file

from tfsdiff.common.errors import InputError
from tfsdiff.metrics import lpips as module
from tfsdiff.metrics.lpips import SMALLEST_SIDE, Unavailable, load, lpips
from tfsdiff.pretrained import DOWNLOAD_TIMEOUT_SECONDS

from .conftest import packaged, read


@pytest.fixture
def random_features(rng):
    """Tensors of the right names and shapes, for tests that look at no value."""
    tensors = {}
    for layer, shape in module._SHAPES.items():
        tensors[f"features.{layer}.weight"] = torch.randn(shape, generator=rng) / shape[1] / 9
        tensors[f"features.{layer}.bias"] = torch.randn(shape[0], generator=rng)
    return tensors


@pytest.fixture
def file(random_features, tmp_path):
    save_file(random_features, tmp_path / "alex.safetensors")
    return tmp_path / "alex.safetensors"


@pytest.fixture
def cached(monkeypatch, tmp_path):
    """Path of the downloaded weights in an empty cache, without network."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr("torch.hub.urlopen", refuse)
    path = tmp_path / "torch/hub/checkpoints/alexnet-owt-7be5be79.pth"
    path.parent.mkdir(parents=True)
    return path


@pytest.fixture
def package(monkeypatch, tmp_path):
    """Folder of another package `lpips`, with nothing in it."""
    folder = tmp_path / "site/lpips"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("raise AssertionError('imported')")
    monkeypatch.delitem(sys.modules, "lpips", raising=False)
    monkeypatch.setattr(sys, "path", [str(folder.parent), *sys.path])
    importlib.invalidate_caches()
    return folder


def refuse(*args, **kwargs):
    raise urllib.error.URLError("no network here")


@pytest.mark.shared
def test_the_examples_of_its_readme(shared, network):
    reference, far, near = (
        read(shared / f"reference/lpips/{name}.png") for name in ("ex_ref", "ex_p0", "ex_p1")
    )
    values = lpips(torch.stack([far, near]), reference[None], network)
    assert [round(value, 3) for value in values.tolist()] == [0.722, 0.138]


@pytest.mark.shared
def test_agrees_with_the_package(real, network, shared):
    fused, sources = real
    package = packaged(load_file(shared / "weights/alexnet_features.safetensors"))
    expected = package(fused / 127.5 - 1, sources[:, 2] / 127.5 - 1).flatten().double()
    torch.testing.assert_close(lpips(fused, sources[:, 2], network), expected, rtol=1e-5, atol=0)


def test_has_the_layout_of_the_package(random_features, file, rng):
    network, package = load(str(file)), packaged(random_features)
    one, two = images = torch.randint(0, 256, (2, 3, 41, 67), generator=rng)
    scaled = images / 127.5 - 1
    expected = package.net(package.scaling_layer(scaled))
    for ours, theirs in zip(network(scaled), expected, strict=True):
        torch.testing.assert_close(ours, theirs)
    assert lpips(one, two, network).item() == pytest.approx(package(*scaled[:, None]).item())


@pytest.mark.shared
def test_identity_symmetry_and_noise(real, network, rng):
    fused, sources = real
    assert lpips(fused, fused, network).tolist() == [0, 0, 0]
    forth, back = (
        lpips(*pair, network) for pair in ((fused, sources[:, 0]), (sources[:, 0], fused))
    )
    assert torch.equal(forth, back)
    noise = torch.randn(fused.shape, generator=rng)
    values = [lpips((fused + s * noise).clamp(0, 255), fused, network) for s in (5, 20, 60)]
    assert (torch.stack(values).diff(dim=0) > 0).all()


@pytest.mark.shared
def test_constant_images_are_finite(network):
    black, white = torch.zeros(3, 40, 40), torch.full((3, 40, 40), 255)
    assert lpips(black, black, network).item() == 0
    assert 0 < lpips(black, white, network).item() < 10


def test_a_value_does_not_depend_on_its_batch(file, rng):
    network = load(str(file))
    fused, sources = torch.randint(0, 256, (2, 3, 3, 33, 35), generator=rng)
    together = lpips(fused[:, None], sources[None], network)
    assert together.shape == (3, 3)
    assert together[1, 2].item() == lpips(fused[1], sources[2], network).item()


def test_every_image_goes_through_the_network_once(file, rng):
    network, seen = load(str(file)), []
    network.register_forward_hook(lambda *_: seen.append(1))
    fused, *others = torch.randint(0, 256, (5, 3, 33, 35), generator=rng)
    assert lpips(fused, torch.stack(others), network).shape == (4,)
    assert len(seen) == 5


def test_nothing_is_drawn_at_random(file, random_features):
    before = torch.random.get_rng_state()
    network = load(str(file))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert not any(tensor.is_meta for tensor in [*network.parameters(), *network.buffers()])
    assert torch.equal(network.features["6"].weight, random_features["features.6.weight"])


def test_a_file_gives_a_frozen_network(file, capfd):
    network = load(str(file))
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_neither_package_is_imported(file):
    code = """
import sys, torch, tfsdiff.metrics
from tfsdiff.metrics import lpips
from tfsdiff.metrics.score import score
images = torch.arange(5 * 3 * 48 * 48).reshape(5, 3, 48, 48) % 256
scores = score(images[:1], images[None, 1:4], images[4:], lpips.load(sys.argv[1]))
assert not scores.empty, scores.empty
print({"torchvision", "lpips", "torch._dynamo"} & set(sys.modules))
"""
    command = [sys.executable, "-c", code, str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    assert (done.stdout, done.stderr) == ("set()\n", "")


def test_a_missing_file_is_the_users_to_mend(tmp_path):
    with pytest.raises(InputError, match=r"none\.safetensors is no file; give .* \"torchvision\""):
        load(str(tmp_path / "none.safetensors"))


@pytest.mark.parametrize("damage", ["text", "missing", "shape", "nan"])
def test_a_malformed_file_is_the_users_to_mend(damage, random_features, tmp_path):
    path = tmp_path / "alex.safetensors"
    if damage == "missing":
        del random_features["features.8.bias"]
    elif damage == "shape":
        random_features["features.8.bias"] = torch.zeros(3)
    elif damage == "nan":
        random_features["features.8.bias"][0] = torch.nan
    save_file(random_features, path)
    if damage == "text":
        path.write_text("version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(
        InputError, match=r"metrics\.lpips_backbone: .*; give the AlexNet"
    ) as caught:
        load(str(path))
    assert "\n" not in str(caught.value)


def test_the_address_is_that_of_torchvision():
    models = pytest.importorskip("torchvision.models")
    assert models.AlexNet_Weights.IMAGENET1K_V1.url == module.URL


def test_without_network_it_says_why(cached, tmp_path, capfd):
    before = socket.getdefaulttimeout()
    result = load("torchvision")
    assert isinstance(result, Unavailable)
    assert "no network here" in result.reason
    assert "download.pytorch.org" in result.reason
    assert str(tmp_path) not in result.reason
    assert socket.getdefaulttimeout() == before
    assert capfd.readouterr() == ("", "")


def test_the_network_is_asked_with_a_timeout(cached, monkeypatch):
    timeouts = []

    def look(*args):
        timeouts.append(socket.getdefaulttimeout())
        raise TimeoutError("timed out")

    monkeypatch.setattr("torch.hub.urlopen", look)
    assert "TimeoutError: timed out" in load("torchvision").reason
    assert timeouts == [DOWNLOAD_TIMEOUT_SECONDS]


def test_a_cache_that_cannot_be_written_is_not_named(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "file"))
    result = load("torchvision")
    assert "(NotADirectoryError: Not a directory)" in result.reason


def test_what_torchvision_has_in_its_cache_is_taken(cached, random_features, capfd):
    torch.save({**random_features, "classifier.1.weight": torch.zeros(2)}, cached)
    network = load("torchvision")
    assert torch.equal(network.features["0"].bias, random_features["features.0.bias"])
    assert capfd.readouterr() == ("", "")


def test_a_download_with_another_hash_is_thrown_away(cached, random_features, monkeypatch, capfd):
    asked = []

    def give(request):
        asked.append(request.full_url)
        content = io.BytesIO()
        torch.save(random_features, content)
        return Answer(content.getvalue())

    monkeypatch.setattr("torch.hub.urlopen", give)
    assert "invalid hash value" in load("torchvision").reason
    assert asked == [module.URL]
    assert list(cached.parent.iterdir()) == []
    assert capfd.readouterr() == ("", "")


class Answer(io.BytesIO):
    """What a server sends, without saying its length."""

    def info(self):
        return email.message.Message()


@pytest.mark.parametrize("damage", ["empty", "text", "cut", "names", "list", "trap"])
def test_a_damaged_file_in_the_cache_is_never_unpickled_freely(
    damage, cached, random_features, tmp_path
):
    contents = {"names": {}, "list": [1], "trap": Trap(tmp_path / "sprung")}
    torch.save(contents.get(damage, random_features), cached)
    whole = cached.read_bytes()
    cached.write_bytes({"empty": b"", "text": b"<html>", "cut": whole[:-100]}.get(damage, whole))
    reason = load("torchvision").reason
    assert "(alexnet-owt-7be5be79.pth in torch's cache cannot be used; delete it)" in reason
    assert not (tmp_path / "sprung").exists()


class Trap:
    """Creates a file when unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return self.path.touch, ()


def test_without_the_package_it_says_why(monkeypatch, file):
    monkeypatch.setitem(sys.modules, "lpips", None)
    assert load(str(file)) == Unavailable("the package lpips is not installed")


def test_a_package_without_heads_says_why(package, file):
    assert "weights/v0.1/alex.pth in the package lpips is missing" in load(str(file)).reason


@pytest.mark.parametrize("damage", ["text", "shape", "names", "trap"])
def test_a_package_with_other_heads_says_why(damage, package, file, tmp_path):
    heads = package / "weights/v0.1/alex.pth"
    heads.parent.mkdir(parents=True)
    contents = {
        "shape": {"lin0.model.1.weight": torch.zeros(64)},
        "trap": Trap(tmp_path / "sprung"),
    }
    torch.save(contents.get(damage, {}), heads)
    if damage == "text":
        heads.write_text("version https://git-lfs.github.com/spec/v1\n")
    assert "is damaged or of another layout; install lpips 0.1.4" in load(str(file)).reason
    assert not (tmp_path / "sprung").exists()


@pytest.mark.shared
def test_the_shared_backbone_holds_nothing_else(shared):
    assert len(load_file(shared / "weights/alexnet_features.safetensors")) == 10


def test_refuses_small_images(file):
    network = load(str(file))
    side = SMALLEST_SIDE
    assert lpips(torch.zeros(3, side, side), torch.ones(3, side, side), network).isfinite()
    with pytest.raises(ValueError, match="at least 31"):
        lpips(torch.zeros(3, side - 1, side), torch.ones(3, side - 1, side), network)
