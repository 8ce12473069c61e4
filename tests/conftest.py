"""Fixtures shared by all tests."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from filelock import FileLock

import tiny
import torchvision_hook
from inputs import smooth_sources
from project import Project
from tfsdiff.core.tensors import Batch
from tfsdiff.data.resample import reduce
from tfsdiff.methods.base import Examples
from tfsdiff.params import Sampling, Train
from tfsdiff.training.log import Recipe

torchvision_hook.install()  # piq and lpips, which ours is checked against, import torchvision

SHARED = Path(__file__).resolve().parents[2] / "shared"


# Files that take minutes: begun first, so that no worker waits for another at the end.
LONGEST = ("docs/test_guides.py", "workflow/test_end_to_end.py", "workflow/test_atlas.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest comes first; all else stays in its order."""
    items.sort(key=lambda item: not str(item.path).endswith(LONGEST))


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder with real slices, weights and reference outputs beside the repository."""
    if not SHARED.is_dir():
        pytest.skip(f"no shared data at {SHARED}")
    return SHARED


@pytest.fixture(scope="session")
def new_project(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Project]:
    """Make a fresh copy of the project, in which nothing has been made."""
    return lambda: Project.new(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="session")
def ci_project(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Callable[[], Project]:
    """Copy a project in which `make repro` has made the profile `ci`, once for all workers."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "ci"
    with FileLock(folder.with_suffix(".lock")):
        if not (folder / "dvc.lock").is_file():
            folder.mkdir()
            made = Project.new(folder)
            made.python("tfsdiff.compose", "profile=ci")
            output = made.run(sys.executable, "workflow/repro.py")
            assert "Data and pipelines are up to date" in output
            made.commit("The profile ci")
    return lambda: Project(folder).copy(tmp_path_factory.mktemp("project"))


@pytest.fixture
def rng() -> torch.Generator:
    """A seeded generator, the same for every test."""
    return torch.Generator().manual_seed(20240901)


def smooth_batch(count: int, pixels: int, seed: int) -> Batch:
    """Smooth sources; the truth is their maximum."""
    sources = smooth_sources(count, pixels, pixels, seed, cells=5)
    return Batch(tuple(f"g{i}" for i in range(count)), sources, sources.amax(1))


@pytest.fixture
def examples() -> Callable[[int, int], Examples]:
    """Make examples at a scale from a seed."""

    def make(scale: int, seed: int = 0, pixels: int = 16) -> Examples:
        high = smooth_batch(4, pixels, seed)
        return Examples(high, Batch(high.groups, reduce(high.sources, scale)))

    return make


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    train = tiny.TRAIN.model_copy(
        update={
            "steps": 30,
            "learning_rate": 1e-2,
            "ema_decay": 0.8,
            "augment": "none",
            "checkpoint_steps": 20,
            "validation_steps": 30,
        }
    )
    return Recipe(1, tmp_path / "checkpoints", tiny.UNET, tiny.DIFFUSION, train)


@pytest.fixture
def brief(recipe: Recipe) -> Recipe:
    """A recipe of two steps, where it does not matter how much is learned."""
    return replace(recipe, train=recipe.train.model_copy(update={"steps": 2}))


@pytest.fixture
def sampling() -> Sampling:
    return Sampling(sampler="ddim", evaluations=2, spacing="time", temperature=1.0, batch=3)


@pytest.fixture
def images(rng: torch.Generator) -> torch.Tensor:
    """Smooth images: (6, 3, 16, 16) in [0, 1]."""
    coarse = torch.rand(6, 3, 4, 4, generator=rng)
    return torch.nn.functional.interpolate(coarse, (16, 16), mode="bilinear")


@pytest.fixture
def train() -> Train:
    return tiny.TRAIN
