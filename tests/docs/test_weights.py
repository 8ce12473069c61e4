"""The blocks of the model card: of what lies in the package, be it nothing."""

import json

import pytest
import torch

import weights
from tfsdiff.methods import shipped, store

DATA = {
    "profile": "harvard",
    "pixels": 256,
    "groups": 53,
    "pairs": 600,
    "patients": {"train": ["a", "b"], "validation": ["c"], "test": ["d"], "pairs": ["2", "3"]},
}
NOTE = {
    "command": "python workflow/ship.py measure RUN sr3-x4",
    "of": "enlarged sources",
    "groups": 15,
    "machine": "a machine",
    "seconds": 1200,
    "PSNR": 30.0,
    "PSNR_halved": 29.9987,
    "SSIM": 0.9,
}
BLOCKS = ("files", "data", "scores", "commands")


@pytest.fixture
def package(tmp_path, monkeypatch):
    monkeypatch.setattr(shipped, "FOLDER", tmp_path)
    monkeypatch.setattr(weights, "MEASURED", tmp_path / "weights.json")
    yield tmp_path
    weights._values.cache_clear()
    weights._measured.cache_clear()


def put(folder, **values):
    store.write(folder, {"a": torch.ones(2, 3).half(), "b": torch.ones(4).half()}, values)


@pytest.mark.usefixtures("package")
def test_an_empty_package_says_so():
    weights._measured.cache_clear()
    for name in BLOCKS:
        assert getattr(weights, name)() in (weights.NOTHING, "Nothing was measured yet.")
    assert weights.total() == "0.0 MB"


def test_some_weights_have_a_line_each(package):
    settings = {"method": "sr3"}
    train = {"steps": 20000}
    computed = DATA | {"computed_groups": 300}
    put(package / "sr3-x4", name="sr3", scale=4, settings=settings, train=train, data=computed)
    put(
        package / "ctsr", name="ctsr", scale=None, data=DATA,
        settings={"method": "ctsr", "iterations": 60},
    )  # fmt: skip
    put(
        package / "tfsdiff_guided-x4", name="tfsdiff_guided", scale=4, data=computed,
        settings={"steps": 4000}, train={"steps": 20000}, beside={"guide.": "sr3-x4"},
    )  # fmt: skip
    (package / "weights.json").write_text(json.dumps({"sr3-x4": NOTE, "sr3-x8": NOTE}))
    weights._measured.cache_clear()
    files = weights.files().splitlines()[2:]
    assert [line.split(" | ")[0] for line in files] == [
        "| `ctsr`", "| `sr3-x4`", "| `tfsdiff_guided-x4`",
    ]  # fmt: skip
    for line, words in zip(
        files,
        (
            ("CTSR, fuses | 10 |", "| 60 | – |"),
            ("SR3, enlarges | 10 |", "| 20,000 | 20 min |"),
            ("enlarges and fuses | 10 + `sr3-x4` |", "| 4,000 | – |"),
        ),
        strict=True,
    ):
        assert all(word in line for word in words)
    assert weights.scales("sr3") == "4"
    put(package / "sr3-x8", name="sr3", scale=8, settings=settings, data=computed)
    assert weights.scales("sr3") == "4 or 8"
    assert weights.data().count("- `") == 2
    data = " ".join(weights.data().split())
    assert "`ctsr`: 53 groups of a, b and 600 pairs, at 256 × 256 pixels" in data
    assert "`sr3-x8`, `tfsdiff_guided-x4`: 53 groups of a, b and 300 computed groups, made" in data
    assert "Never seen: d. The pairs are of the cases 2, 3." in data
    scores = weights.scores().splitlines()
    assert len(scores) == 6
    assert scores[2].endswith("| enlarged sources | 15 | 30.00 | 30.00 | -0.0013 | 0.9000 |")
    assert scores[4:] == ["", "a machine."]
    assert "ship.py measure RUN sr3-x4`" in weights.commands()


def test_all_that_ship_were_measured_and_lost_next_to_nothing():
    found = json.loads(weights.MEASURED.read_text()) if weights.MEASURED.is_file() else {}
    assert {folder.name for folder in shipped.all_folders()} <= found.keys()
    for one in found.values():
        assert one["PSNR"] - one["PSNR_halved"] <= 0.02
