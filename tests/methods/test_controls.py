import pytest
import torch

from tfsdiff.core.tensors import Batch
from tfsdiff.data.resample import enlarge
from tfsdiff.methods import build


@pytest.fixture
def batch(rng: torch.Generator) -> Batch:
    return Batch(("a", "b"), torch.rand(2, 3, 3, 8, 6, generator=rng))


def test_mean_weighs_all_sources_alike(batch: Batch) -> None:
    fused = build("mean", {}, None).fuse(batch, [])
    a, b, c = batch.sources.unbind(1)
    torch.testing.assert_close(fused, (a + b + c) / 3)


@pytest.mark.parametrize(
    ("source", "index"), [("anatomical_1", 0), ("anatomical_2", 1), ("functional", 2)]
)
def test_copy_returns_the_named_source(source: str, index: int, batch: Batch) -> None:
    fused = build("copy", {"source": source}, None).fuse(batch, [])
    assert torch.equal(fused, batch.sources[:, index])


def test_bicubic_is_the_enlargement_of_the_data(batch: Batch) -> None:
    images = batch.sources[:, 0]
    enlarged = build("bicubic", {}, 4).enlarge(images, [])
    assert enlarged.shape == (2, 3, 32, 24)
    assert torch.equal(enlarged, enlarge(images, 4))
