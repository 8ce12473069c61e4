"""Blocks about methods: counted from networks, read from results, or refused with a cure."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import methods
from tfsdiff.methods import METHODS


@pytest.fixture
def results(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A folder of results that nothing was collected in."""
    folder = tmp_path / "docs/results/harvard"
    folder.mkdir(parents=True)
    monkeypatch.setattr(methods, "ROOT", tmp_path)
    monkeypatch.setattr(methods, "RESULTS", folder)
    methods.read.cache_clear()
    yield folder
    methods.read.cache_clear()


def test_missing_results_name_the_stage_that_makes_them(results: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"cost\.csv is missing: run the stage `cost`"):
        methods.cost("cddfuse")


def test_a_method_that_no_run_has_says_so(results: Path) -> None:
    for name in ("table1", "cost"):
        (results / f"{name}.csv").write_text("row,scale,against\nbicubic,2,truth\n")
    assert methods.scores("least_squares") == methods.cost("least_squares")
    assert methods.scores("least_squares").startswith("Not yet in the [recorded run]")


@pytest.mark.parametrize(
    ("name", "stage"),
    [
        ("cddfuse", "train_fuser"),
        ("least_squares", "fit_enlarger"),
        ("sr3", "train"),
        ("tfsdiff_guided", "train_guided"),
    ],
)
def test_the_stage_that_trains_a_method(name: str, stage: str) -> None:
    assert methods.trained(name).startswith(f"by the stage `{stage}`,")


@pytest.mark.parametrize(
    ("row", "label"),
    [
        ("tfsdiff", "TFS-Diff"),
        ("sr3", "SR3, three sources"),
        ("cddfuse-full", "CDDFuse alone"),
        ("cddfuse-sr3", "SR3 + CDDFuse"),
    ],
)
def test_labels_of_costs(row: str, label: str) -> None:
    assert methods.cost_label(row) == label


def test_rows_at_full_resolution_come_first_and_once() -> None:
    rows = [
        {"row": "a-sr3", "scale": "2"},
        {"row": "a-full", "scale": "2"},
        {"row": "a-sr3", "scale": "4"},
        {"row": "a-full", "scale": "4"},
    ]
    assert [row["row"] for row in methods.unrepeated(rows)] == ["a-full", "a-sr3", "a-sr3"]


@pytest.mark.parametrize("name", METHODS)
def test_every_method_has_facts_and_files(name: str) -> None:
    assert "| Role | " in methods.facts(name)
    assert f"[`{name}/method.py`](../../src/tfsdiff/methods/{name}/method.py)" in methods.code(name)


def test_settings_are_flattened_in_their_order() -> None:
    nested = {"train": {"steps": 1}, "width": 2}
    assert list(methods.flattened(nested)) == [("width", 2), ("train.steps", 1)]


@pytest.mark.parametrize(
    ("value", "text"), [(1e-6, "1e-06"), (None, "null"), ([1, 2], "[1, 2]"), ("a/b.st", "b.st")]
)
def test_settings_as_text(value: object, text: str) -> None:
    assert methods.shown(value) == text
