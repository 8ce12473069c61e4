from pathlib import Path

import pandas as pd
from PIL import Image

from tfsdiff.report.figures.training_curves import (
    LOSSES,
    PANELS,
    draw_losses,
    draw_training_curves,
)


def test_figure_is_the_same_bytes_and_shows_every_network(tmp_path: Path) -> None:
    curve = pd.Series({5: 0.5, 10: 0.25})
    lines = {
        (panel, scale): {"sr3": curve, "tfsdiff": 2 * curve} if scale == 2 else {"sr3": curve}
        for panel in PANELS
        for scale in (2, 4)
    }
    for name in ("one.png", "two.png"):
        draw_training_curves((2, 4), lines, tmp_path / name)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    without = {key: {"sr3": curve} for key in lines}
    draw_training_curves((2, 4), without, tmp_path / "less.png")
    assert (tmp_path / "less.png").read_bytes() != (tmp_path / "one.png").read_bytes()
    with Image.open(tmp_path / "one.png") as image:
        assert image.width == 2 * 760 + 480


def test_losses_have_a_panel_a_fuser(tmp_path: Path) -> None:
    curve = pd.Series({5: 0.5, 10: 0.25})
    for name, fusers in (("one.png", ["cddfuse"]), ("two.png", ["cddfuse", "mine"])):
        lines = {fuser: dict.fromkeys(LOSSES, curve) for fuser in fusers}
        draw_losses(lines, tmp_path / name)
    with Image.open(tmp_path / "one.png") as one, Image.open(tmp_path / "two.png") as two:
        assert (one.width, two.width) == (700, 1340)
    draw_losses({}, tmp_path / "none.png")
    assert (tmp_path / "none.png").exists()
