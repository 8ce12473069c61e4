import json
from pathlib import Path

import pytest
from PIL import Image

from tfsdiff.common.errors import InputError
from tfsdiff.report.curves import LOSSES, PANELS, draw_curves, draw_losses, read_curve


def training(folder: Path, parameters: int = 7) -> Path:
    """Tables as DVCLive writes them."""
    for name in PANELS if parameters else ():
        table = folder / "plots/metrics" / f"{name}.tsv"
        table.parent.mkdir(parents=True, exist_ok=True)
        table.write_text(f"step\t{table.stem}\n5\t0.5\n10\t0.25\n")
    folder.mkdir(exist_ok=True)
    (folder / "metrics.json").write_text(json.dumps({"parameters": parameters}))
    return folder


def test_values_are_read_by_step(tmp_path: Path) -> None:
    curve = read_curve(training(tmp_path / "a"), "validation/psnr")
    assert curve.to_dict() == {5: 0.5, 10: 0.25}


def test_network_that_learned_nothing_has_no_curve(tmp_path: Path) -> None:
    assert read_curve(training(tmp_path / "a", parameters=0), "train/loss") is None


@pytest.mark.parametrize("lost", ["metrics.json", "plots/metrics/train/loss.tsv"])
def test_missing_table_names_the_cure(lost: str, tmp_path: Path) -> None:
    folder = training(tmp_path / "a")
    (folder / lost).unlink()
    with pytest.raises(InputError, match=r"no curve of train/loss in it .*; train again"):
        read_curve(folder, "train/loss")


def test_figure_is_the_same_bytes_and_shows_every_network(tmp_path: Path) -> None:
    curve = read_curve(training(tmp_path / "a"), "train/loss")
    lines = {
        (panel, scale): {"sr3": curve, "tfsdiff": 2 * curve} if scale == 2 else {"sr3": curve}
        for panel in PANELS
        for scale in (2, 4)
    }
    for name in ("one.png", "two.png"):
        draw_curves((2, 4), lines, tmp_path / name)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    without = {key: {"sr3": curve} for key in lines}
    draw_curves((2, 4), without, tmp_path / "less.png")
    assert (tmp_path / "less.png").read_bytes() != (tmp_path / "one.png").read_bytes()
    with Image.open(tmp_path / "one.png") as image:
        assert image.width == 2 * 760 + 480


def test_losses_have_a_panel_a_fuser(tmp_path: Path) -> None:
    curve = read_curve(training(tmp_path / "a"), "train/loss")
    for name, fusers in (("one.png", ["cddfuse"]), ("two.png", ["cddfuse", "mine"])):
        lines = {fuser: dict.fromkeys(LOSSES, curve) for fuser in fusers}
        draw_losses(lines, tmp_path / name)
    with Image.open(tmp_path / "one.png") as one, Image.open(tmp_path / "two.png") as two:
        assert (one.width, two.width) == (700, 1340)
    draw_losses({}, tmp_path / "none.png")
    assert (tmp_path / "none.png").exists()
