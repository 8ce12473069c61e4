"""One contract for every fuser: whatever method stands behind it, the pipeline relies on this."""

from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import tiny
from inputs import generators, smooth_sources
from tfsdiff.compose import compose
from tfsdiff.core.backend import CPU
from tfsdiff.core.tensors import Batch, Pairs
from tfsdiff.methods import METHODS, build, method_class
from tfsdiff.methods.base import Examples, Fuser, JointMethod
from tfsdiff.training.log import NullLog, Recipe

CONF = Path(__file__).resolve().parents[2] / "workflow/conf"
SETTINGS: dict[str, dict[str, Any]] = compose(["profile=ci"], CONF)["methods"]
FUSERS = [
    n
    for n, kind in ((n, method_class(n)) for n in METHODS)
    if issubclass(kind, Fuser) and not issubclass(kind, JointMethod)
]
TRIPLE = ("CT", "MR-T2", "SPECT-Tc")


def brains(count: int, height: int, width: int, seed: int) -> Batch:
    """Smooth images on a black background: two grey ones and a coloured one."""
    images = smooth_sources(count, height, width, seed, mode="bicubic")
    rows, columns = torch.linspace(-1, 1, height)[:, None], torch.linspace(-1, 1, width)
    images = images * (rows**2 + columns**2 < 0.8)
    names = tuple(f"group{i}" for i in range(count))
    return Batch(names, images, modalities=(TRIPLE,) * count)


@pytest.fixture(scope="module", params=FUSERS)
def fuser(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Fuser:
    """Every fuser, fitted in moments on groups and pairs."""
    name = request.param
    method = build(name, SETTINGS[name], None)
    recipe = Recipe(1, tmp_path_factory.mktemp(name))
    pairs = Pairs(("pair",), brains(1, 32, 32, 5).sources[:, 1:])
    train, unseen = (Examples(brains(3, 32, 32, seed)) for seed in (1, 2))
    if method.learned:
        tiny.fit(method, replace(train, pairs=pairs), unseen, recipe, CPU, NullLog())
    return method


@pytest.mark.parametrize("size", [(32, 32), (48, 40), (33, 47)])
def test_any_size_gives_an_image_of_that_size(fuser: Fuser, size: tuple[int, int]) -> None:
    fused = fuser.fuse(brains(1, *size, seed=3), generators(1))
    assert fused.shape == (1, 3, *size)
    assert fused.dtype == torch.float32
    assert torch.all((fused >= 0) & (fused <= 1))


def test_the_same_noise_gives_the_same_image(fuser: Fuser) -> None:
    batch = brains(1, 32, 32, seed=4)
    assert torch.equal(fuser.fuse(batch, generators(1)), fuser.fuse(batch, generators(1)))


def test_an_image_does_not_depend_on_its_batch(fuser: Fuser) -> None:
    batch = brains(3, 32, 32, seed=5)
    together = fuser.fuse(batch, generators(3))
    for i in range(3):
        one = Batch(batch.groups[i : i + 1], batch.sources[i : i + 1], modalities=(TRIPLE,))
        torch.testing.assert_close(
            fuser.fuse(one, generators(1, i)), together[i : i + 1], atol=2e-5, rtol=0
        )


def test_a_grey_functional_image_gives_a_grey_fusion(fuser: Fuser) -> None:
    batch = brains(1, 32, 32, seed=6)
    grey = batch.sources[:, :, :1].expand(-1, -1, 3, -1, -1)
    fused = fuser.fuse(replace(batch, sources=grey), generators(1))
    assert (fused - fused.mean(1, keepdim=True)).abs().max() < 2e-3


def test_colour_of_the_functional_image_is_kept(fuser: Fuser) -> None:
    """Red is still redder than blue where the functional image is red."""
    batch = brains(1, 32, 32, seed=7)
    batch.sources[:, 2] = batch.sources[:, 2, :1] * torch.tensor([0.8, 0.2, 0.1]).view(3, 1, 1)
    if getattr(fuser.settings, "source", "functional") != "functional":
        pytest.skip("copies a source that has no colour")
    fused = fuser.fuse(batch, generators(1))
    assert (fused[:, 0] - fused[:, 2]).mean() > 0.003


def test_images_without_names_of_modalities_are_fused(fuser: Fuser) -> None:
    batch = brains(1, 32, 32, seed=8)
    anonymous = replace(batch, modalities=())
    assert torch.equal(fuser.fuse(anonymous, generators(1)), fuser.fuse(batch, generators(1)))


@settings(max_examples=5, deadline=None)
@given(level=st.floats(0, 1), seed=st.integers(0, 99))
def test_constant_images_have_no_edges(fuser: Fuser, level: float, seed: int) -> None:
    """Learned ones are held to it at a distance of the border, where padding shows."""
    learned = fuser.learned
    flat = torch.full((1, 3, 3, 40, 40), level)
    fused = fuser.fuse(Batch(("flat",), flat, modalities=(TRIPLE,)), generators(1, seed))
    inside = fused[..., 16:24, 16:24] if learned else fused
    assert (inside.amax((2, 3)) - inside.amin((2, 3))).max() < (0.05 if learned else 1e-5)


# Largest difference to an image that is fused with itself, and settings without which no method
# can promise one. Of CTSR it depends on the dictionary (tests/methods/ctsr/test_method.py); what a
# network makes of equal images is what it has learned.
SELF: dict[str, tuple[float, dict[str, Any]]] = {
    "bitonicx": (1e-6, {}),
    "mean": (1e-6, {}),
    "copy": (1e-6, {}),
    "ddfm": (1e-4, {"stretch": "none"}),
}


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 999))
def test_an_image_with_itself_gives_itself(fuser: Fuser, seed: int) -> None:
    if fuser.name not in SELF:
        pytest.skip("promises no tolerance")
    tolerance, change = SELF[fuser.name]
    method = copy(fuser)
    method.settings = fuser.settings.model_copy(update=change)
    image = brains(1, 32, 32, seed).sources[:, :1]
    same = Batch(("same",), image.expand(-1, 3, -1, -1, -1), modalities=(TRIPLE,))
    assert (method.fuse(same, generators(1)) - image[:, 0]).abs().max() < tolerance
