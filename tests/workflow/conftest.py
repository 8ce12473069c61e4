"""The repository itself."""

from pathlib import Path

import pytest

from project import ROOT


@pytest.fixture(scope="session")
def root() -> Path:
    """Root of the repository."""
    return ROOT
