"""A method that the registry does not have, in a module of its own."""

import sys
from pathlib import Path

import pytest
import torch

from tfsdiff.methods import METHODS, Entry

EXTRA = Path(__file__).parent / "extra"


@pytest.fixture
def light(monkeypatch):
    """The method `light` is in the registry while the test runs."""
    monkeypatch.syspath_prepend(EXTRA)
    monkeypatch.setitem(METHODS, "light", Entry("light:Light", "light"))
    yield
    sys.modules.pop("light", None)


@pytest.fixture
def light_checkpoint(tmp_path):
    """A checkpoint of its released code: gain 1/2."""
    path = tmp_path / "light.pth"
    torch.save({"square": torch.tensor([0.25])}, path)
    return path
