"""What leaks, drawn: the same bytes every time, and whatever is missing."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from leaks import COMBINATION, group, neighbours, random_and_blocks
from tfsdiff.data.slices import Group
from tfsdiff.evaluation.leakage import Leak, typical
from tfsdiff.report.figures.leakage import COLOURS, Example, draw_leakage
from tfsdiff.report.leakage_table import LABELS


@pytest.fixture
def leaks():
    return random_and_blocks()


def example(one, side=16):
    image = np.arange(side * side, dtype=np.uint8).reshape(side, side)
    images = image, image, np.stack([image] * 3, axis=-1)
    return one and Example(one, images, images)


def test_picture_shows_shares_and_an_example_a_split(leaks, drawn, tmp_path):
    examples = [example(typical(leak.neighbours)) for leak in leaks]
    for name in ("a", "b"):
        draw_leakage(leaks, examples, tmp_path / f"{name}.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    with Image.open(tmp_path / "a.png") as image:
        assert set(image.info) <= {"dpi"}
        assert image.size[0] <= 2450
    shares, *pictures = drawn[0].axes
    random, blocks = shares.get_lines()[:2]
    assert list(random.get_xdata())[1:-1] == [0.5, 0.9, 0.91, 0.96, 0.99]
    assert list(random.get_ydata()) == pytest.approx([1, 0.8, 0.6, 0.4, 0.2, 0, 0])
    assert list(blocks.get_ydata()) == pytest.approx([1, 0.5, 0, 0])
    assert shares.get_xlim() == pytest.approx((0.4, 1))
    assert [axes.get_title() for axes in pictures] == COMBINATION.split("_") * 4
    texts = [text.get_text() for text in drawn[0].texts]
    assert "test group of median similarity (0.910), and its nearest" in texts
    assert {"test: g3", "nearest: g103", "test: g0", "nearest: g100"} <= set(texts)


def test_picture_of_a_split_in_which_nothing_is_comparable(leaks, drawn, tmp_path):
    leaks = [leaks[0], Leak("patient", "test", neighbours(None, None))]
    draw_leakage(leaks, [example(leaks[0].neighbours[3]), None], tmp_path / "a.png")
    assert len(drawn[0].axes) == 1 + 6
    assert "nothing in training is comparable" in [text.get_text() for text in drawn[0].texts]


@pytest.mark.slow
@pytest.mark.parametrize("rule", LABELS)
def test_names_do_not_run_into_what_is_beside_them(rule, leaks, drawn, tmp_path):
    near = Group("a-name-of-twenty-letters-and-more", COMBINATION, "q", 7, *group(7).modalities)
    found = replace(leaks[0].neighbours[0], nearest=near)
    draw_leakage([Leak(rule, "test", (found,))] * 2, [example(found)] * 2, tmp_path / "a.png")
    figure = drawn[0]
    renderer = FigureCanvasAgg(figure).get_renderer()
    boxes = [text.get_window_extent(renderer) for text in figure.texts]
    boxes += [axes.get_tightbbox(renderer) for axes in figure.axes]
    for i, one in enumerate(boxes):
        assert not any(one.overlaps(other) for other in boxes[:i]), figure.texts
        assert one.x0 >= 0
        assert one.y0 >= 0
        assert one.x1 <= figure.bbox.x1
        assert one.y1 <= figure.bbox.y1


def test_every_split_has_a_colour_of_its_own():
    assert len(set(COLOURS)) == len(LABELS)
