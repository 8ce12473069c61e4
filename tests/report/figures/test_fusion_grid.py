"""The figures: the same bytes every time, the right size, the right pixels."""

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

from tfsdiff.report.figures.canvas import wrap_title
from tfsdiff.report.figures.fusion_grid import Panel, Zoom, _equal_sides, draw_fusion_grid

MARKERS = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0)]


def flat(colour, side=32):
    return np.full((side, side, 3), colour, np.uint8)


def line(name="case-1", zoom=None, titles=("CT", "MR-T2", "PET-FDG", "TFS-Diff")):
    pictures = [(title, flat(colour)) for title, colour in zip(titles, MARKERS, strict=True)]
    return Panel(name, tuple(pictures), zoom)


def pixels(path):
    with Image.open(path) as image:
        assert set(image.info) <= {"dpi"}
        return np.array(image.convert("RGB"))


def test_same_bytes_twice_whatever_the_users_settings(tmp_path):
    panels = [line(zoom=Zoom(4, 8, 6)), line("case-2")]
    draw_fusion_grid(panels, tmp_path / "a.png")
    with mpl.rc_context({"font.size": 20, "savefig.facecolor": "red", "image.cmap": "jet"}):
        draw_fusion_grid(panels, tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert b"atplotlib" not in (tmp_path / "a.png").read_bytes()
    assert [p.name for p in sorted(tmp_path.iterdir())] == ["a.png", "b.png"]


@pytest.mark.parametrize(
    "columns", [1, *(pytest.param(n, marks=pytest.mark.slow) for n in (4, 7, 9, 15, 24))]
)
def test_width_is_within_bounds(columns, tmp_path):
    pictures = tuple((f"method {i}", flat(i)) for i in range(columns))
    draw_fusion_grid([Panel("group", pictures)], tmp_path / "a.png")
    assert 1500 <= pixels(tmp_path / "a.png").shape[1] <= 2400


def test_pictures_stand_in_order_without_overlap(tmp_path):
    draw_fusion_grid([line(), line("case-2")], tmp_path / "a.png")
    image = pixels(tmp_path / "a.png")
    areas, lefts = [], []
    for colour in MARKERS:
        rows, cols = np.nonzero((image == colour).all(-1))
        areas.append(len(rows))
        lefts.append(cols.min())
    assert lefts == sorted(lefts)
    assert len(set(areas)) == 1  # nothing covers any of them
    assert (image[:, -1] == 255).all()
    assert (image[-1] == 255).all()


def test_titles_are_repeated_only_where_they_change(tmp_path):
    other = line("case-3", titles=("CT", "MR-T1", "PET-FDG", "TFS-Diff"))
    draw_fusion_grid([line(), line("case-2")], tmp_path / "same.png")
    draw_fusion_grid([line(), other], tmp_path / "other.png")
    heights = [pixels(tmp_path / f"{name}.png").shape[0] for name in ("same", "other")]
    assert heights[1] - heights[0] == 48


def test_zoom_shows_the_chosen_square(tmp_path):
    image = np.zeros((32, 32), np.uint8)
    image[4:10, 8:14] = 200
    draw_fusion_grid([Panel("g", (("grey", image),), Zoom(4, 8, 6))], tmp_path / "a.png")
    shown = pixels(tmp_path / "a.png")
    corner = shown[-200:-100, -200:-100].reshape(-1, 3)
    assert (corner == 200).all()


def test_low_resolution_repeats_its_pixels():
    small = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    large, enlarged = _equal_sides([flat(0, 8), small])
    assert large.shape == enlarged.shape == (8, 8, 3)
    assert (enlarged[:4, 4:] == small[0, 1]).all()


def test_grey_is_not_stretched(tmp_path):
    draw_fusion_grid([Panel("g", (("dim", np.full((16, 16), 90, np.uint8)),))], tmp_path / "a.png")
    image = pixels(tmp_path / "a.png")
    assert (image[image.shape[0] // 2, image.shape[1] // 2] == 90).all()


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (np.zeros((8, 8)), "uint8"),
        (np.zeros((8, 8, 4), np.uint8), "grey or RGB"),
        (np.zeros((8, 9), np.uint8), "square"),
        (np.zeros((7, 7), np.uint8), "divide"),
    ],
)
def test_refuses_other_pictures(picture, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        draw_fusion_grid([Panel("g", (("a", picture), ("b", flat(0, 8))))], tmp_path / "a.png")
    assert not (tmp_path / "a.png").exists()


def test_refuses_panels_of_different_length(tmp_path):
    with pytest.raises(ValueError, match="same number"):
        draw_fusion_grid([line(), Panel("g", (("a", flat(0)),))], tmp_path / "a.png")
    with pytest.raises(ValueError, match="at least one"):
        draw_fusion_grid([], tmp_path / "a.png")


def test_titles_are_broken_and_cut_to_fit():
    assert wrap_title("SR3 + BitonicX", 200) == "SR3 + BitonicX"
    assert wrap_title("SR3 + BitonicX", 110) == "SR3 +\nBitonicX"
    assert wrap_title("averylongnameindeed", 110) == "averylon…"
