"""What leaks, in numbers and drawn: the same bytes every time, and whatever is missing."""

import csv
import io
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from tfsdiff.data.slices import Group
from tfsdiff.evaluation.leakage import Neighbour
from tfsdiff.report.leakage import HEADER, LABELS, Leak, bare, markdown, summarise
from tfsdiff.report.nearest import COLOURS, Example, draw, typical

COMBINATION = "CT_MR-T2_SPECT-Tc"


def group(number, patient="p"):
    return Group(f"g{number}", COMBINATION, patient, number, *COMBINATION.split("_"))


def neighbours(*values, seen=True):
    """One a similarity, None where nothing is comparable."""
    return tuple(
        Neighbour(group(i), None if value is None else group(100 + i, "q"), value, seen)
        for i, value in enumerate(values)
    )


@pytest.fixture
def leaks():
    return [
        Leak("random", "test", neighbours(0.99, 0.9, 0.96, 0.91, 0.5)),
        Leak("blocks", "test", neighbours(0.6, None, 0.95, seen=False)),
    ]


def example(one, side=16):
    image = np.arange(side * side, dtype=np.uint8).reshape(side, side)
    images = image, image, np.stack([image] * 3, axis=-1)
    return one and Example(one, images, images)


def test_summary_counts_what_is_above_and_not_at_the_levels(leaks):
    found = summarise(leaks[0].neighbours)
    assert (found.groups, found.compared) == (5, 5)
    assert (found.mean, found.median, found.highest) == pytest.approx((0.852, 0.91, 0.99))
    assert found.above == pytest.approx((3 / 5, 2 / 5))
    assert found.patient_seen == 1


def test_what_is_not_comparable_is_left_out_of_the_numbers(leaks):
    found = summarise(leaks[1].neighbours)
    assert (found.groups, found.compared) == (3, 2)
    assert (found.mean, found.highest) == pytest.approx((0.775, 0.95))
    assert found.above == (0.5, 0)
    assert found.patient_seen == 0
    nothing = summarise(neighbours(None, None))
    assert (nothing.groups, nothing.compared, nothing.mean, nothing.above) == (2, 0, None, None)


def test_csv_has_a_line_a_group(leaks):
    lines = list(csv.DictReader(io.StringIO(bare(leaks))))
    assert tuple(lines[0]) == HEADER
    assert [line["rule"] for line in lines] == ["random"] * 5 + ["blocks"] * 3
    assert list(lines[1].values()) == [
        "random", "test", "g1", "p", "1", "g101", "q", "101", "0.9000", "yes",
    ]  # fmt: skip
    assert list(lines[6].values())[5:] == ["", "", "", "", "no"]


def test_markdown_has_a_line_a_part(leaks):
    lines = markdown([*leaks, Leak("patient", "test", neighbours(None))], "Caption.").splitlines()
    assert lines[0] == "Caption."
    grid = [line for line in lines if line.startswith("|")]
    assert len({line.count("|") for line in grid}) == 1
    assert grid[2:] == [
        "| random, as published | test | 5 | 0.852 | 0.910 | 0.990 | 60% | 40% | 100% |",
        "| blocks of slices, for want of patients | test | 3 (2 compared) | 0.775 | 0.775 | 0.950 "
        "| 50% | 0% | 0% |",
        "| by patient | test | 1 (0 compared) | – | – | – | – | – | 100% |",
    ]


def test_typical_is_the_lower_median(leaks):
    assert typical(leaks[0].neighbours).similarity == 0.91
    assert typical(leaks[1].neighbours).similarity == 0.6
    assert typical(neighbours(None)) is None


def test_picture_shows_shares_and_an_example_a_split(leaks, drawn, tmp_path):
    examples = [example(typical(leak.neighbours)) for leak in leaks]
    for name in ("a", "b"):
        draw(leaks, examples, tmp_path / f"{name}.png")
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
    draw(leaks, [example(leaks[0].neighbours[3]), None], tmp_path / "a.png")
    assert len(drawn[0].axes) == 1 + 6
    assert "nothing in training is comparable" in [text.get_text() for text in drawn[0].texts]


@pytest.mark.parametrize("rule", LABELS)
def test_names_do_not_run_into_what_is_beside_them(rule, leaks, drawn, tmp_path):
    near = Group("a-name-of-twenty-letters-and-more", COMBINATION, "q", 7, *group(7).modalities)
    found = replace(leaks[0].neighbours[0], nearest=near)
    draw([Leak(rule, "test", (found,))] * 2, [example(found)] * 2, tmp_path / "a.png")
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
