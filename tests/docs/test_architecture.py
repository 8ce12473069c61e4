"""The drawing of the layers: as committed, and of all that the contract names."""

import importlib
from pathlib import Path
from types import ModuleType

import pytest

TOOLS = Path(__file__).parents[2] / "docs/tools"


@pytest.fixture
def architecture(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(TOOLS)
    return importlib.import_module("architecture")


def test_committed_drawing_is_what_the_tool_writes(
    architecture: ModuleType, capsys: pytest.CaptureFixture
) -> None:
    assert architecture.main(["--check"]) == 0, capsys.readouterr().out


def test_every_package_has_a_purpose_in_the_drawing(architecture: ModuleType) -> None:
    drawing = architecture.draw()
    for name in (name for layer in architecture.layers() for name in layer):
        assert architecture.purpose(name)
        assert f">{name}</text>" in drawing
