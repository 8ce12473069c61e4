"""Fixtures shared by all tests."""

from pathlib import Path

import pytest
import torch

from . import torchvision_hook

torchvision_hook.install()  # piq and lpips, which ours is checked against, import torchvision

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder with real slices, weights and reference outputs beside the repository."""
    if not SHARED.is_dir():
        pytest.skip(f"no shared data at {SHARED}")
    return SHARED


@pytest.fixture
def rng() -> torch.Generator:
    """A seeded generator, the same for every test."""
    return torch.Generator().manual_seed(20240901)
