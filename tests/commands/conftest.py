"""A member that the zoo does not have, in a module that is found as its own are."""

import sys
from pathlib import Path

import pytest
import torch

from tfsdiff import fusers

MEMBERS = Path(__file__).parent / "members"


@pytest.fixture
def light(monkeypatch):
    """The member `light` is in the zoo while the test runs."""
    monkeypatch.setattr(fusers, "__path__", [*fusers.__path__, str(MEMBERS)])
    yield
    sys.modules.pop("tfsdiff.fusers.light", None)
    vars(fusers).pop("light", None)


@pytest.fixture
def light_checkpoint(tmp_path):
    """A checkpoint of its released code: gain 1/2."""
    path = tmp_path / "light.pth"
    torch.save({"square": torch.tensor([0.25])}, path)
    return path
