"""Marks, ties, controls, empty places and escaping of the tables."""

import csv
import io
import math
import re
from dataclasses import replace

import pytest

from tfsdiff.evaluation.rows import FULL_RESOLUTION, Row
from tfsdiff.metrics.registry import METRICS
from tfsdiff.report.ranking import CONTROLS, TITLES, Block, caption_of, rank, to_numbers
from tfsdiff.report.render import to_latex, to_markdown

CAPTION = "Table 1. Profile demo & 3 ± 1 things of 50 %"
BEST, MEAN, SR3 = Row("tfsdiff", None, 2), Row("mean", None, 2), Row("bitonicx", "sr3", 2)
FULL = Row("full", None, FULL_RESOLUTION)


def of_table_1(line, name):
    """The cell of a metric in a line of a grid."""
    return line[1 + list(METRICS).index(name)]


@pytest.fixture
def table(summary):
    """Three methods and a control at two scales; LPIPS is empty, MSE tied. Document and CSV."""
    summaries, labels, blocks = {}, {}, []
    for scale in (2, 4):
        rows = [replace(row, scale=scale) for row in (MEAN, SR3, BEST)]
        blocks.append(Block(scale, tuple(rows), (FULL,)))
        for row, value in zip((*rows, FULL), (1.0, 2.0, 3.0, 9.0), strict=True):
            mse = 7.04 if row.method == "tfsdiff" else 7.0001
            reason = {"LPIPS": "no weights_file"}
            summaries[row] = summary(value, empty=reason, LPIPS=None, MSE=mse)
            labels[row] = "full | resolution_1" if row == FULL else row.name
        labels[rows[1]] = "SR3 + BitonicX"
    return rank(CAPTION, blocks, summaries, labels), to_numbers(blocks, summaries, labels)


@pytest.fixture
def ranked(summary):
    """Function that ranks rows by name; those named by `controls` do not compete."""

    def make(controls=(), **summaries):
        rows = {name: Row(name, None, 2) for name in summaries}
        parts = [
            tuple(r for n, r in rows.items() if (n in controls) == control) for control in (0, 1)
        ]
        labels = {row: name for name, row in rows.items()}
        found = {row: summaries[name] for name, row in rows.items()}
        blocks = [Block(2, *parts)]
        return rank("c", blocks, found, labels), to_numbers(blocks, found, labels)

    return make


def columns(grid):
    """Rows of a Markdown grid as {first column: {heading: text}}."""
    lines = [line.strip("| ").split(" | ") for line in grid.splitlines() if line.startswith("|")]
    head = [cell.split()[0] for cell in lines[0]]
    return {line[0]: dict(zip(head, line, strict=False)) for line in lines[2:]}


def test_marks_in_markdown(table):
    grid = columns(to_markdown(table[0]).split("**×2. ")[1])
    assert list(grid)[:3] == ["mean", "SR3 + BitonicX", "tfsdiff"]
    assert grid["tfsdiff"]["SSIM"] == "**3.0000**"  # higher is better
    assert grid["SR3 + BitonicX"]["SSIM"] == "<u>2.0000</u>"
    assert grid["mean"]["SSIM"] == "1.0000"
    assert grid["mean"]["RMSE"] == "**1.00**"  # lower is better
    assert grid["tfsdiff"]["RMSE"] == "3.00"


def test_equal_prints_share_a_mark(table):
    *ranked, _, control = table[0].grids[0].rows
    cells = [of_table_1(line, "MSE") for line in (*ranked, control)]
    assert [cell.text for cell in cells] == ["7.0"] * 4
    assert [cell.style for cell in cells] == ["best"] * 3 + ["plain"]


def test_controls_stand_below_and_carry_no_mark(table):
    text = to_markdown(table[0])
    grid = text.split("**×2. ")[1].split("\n\n")[1].splitlines()
    assert CONTROLS in grid[-2]
    assert grid[-1].startswith(r"| full \| resolution\_1 | 9.000 |")
    assert all(cell.style == "plain" for cell in table[0].grids[0].rows[-1])
    assert rf"\cmidrule(l){{2-{2 + len(METRICS)}}}" + "\n & full" in to_latex(table[0])


def test_empty_places_have_a_footnote_once(table):
    assert table[0].footnotes == ("LPIPS: no weights_file",)
    text = to_markdown(table[0])
    assert text.count("–<sup>1</sup>") == 4 * 2 * 2
    assert text.endswith("\n\n<sup>1</sup> LPIPS: no weights\\_file\n")
    assert r"\textsuperscript{1} LPIPS: no weights\_file" in to_latex(table[0])


def test_arrows_and_order_of_the_columns(table):
    head = "| Method | AG ↑ | MSE ↓ | VIF ↑ | SSIM ↑ | PSNR ↑ | LPIPS ↓ | MAE ↓ | RMSE ↓ |"[:-2]
    assert to_markdown(table[0]).count(head) == 4
    truth, sources = TITLES.values()
    grids = [(grid.title, grid.scale) for grid in table[0].grids]
    assert grids == [(truth, 2), (truth, 4), (sources, 2), (sources, 4)]


def test_csv_has_bare_numbers(table):
    rows = list(csv.DictReader(io.StringIO(table[1])))
    assert len(rows) == 4 * 4
    assert rows[0] == {
        "against": "truth",
        "scale": "2",
        "row": "mean",
        "label": "mean",
        "control": "no",
        "LPIPS": "",
        "MSE": "7.0001",
    } | dict.fromkeys(set(METRICS) - {"LPIPS", "MSE"}, "1.0")
    assert [row["control"] for row in rows[:4]] == ["no", "no", "no", "yes"]


def test_latex_is_well_formed(table):
    text = to_latex(table[0])
    assert r"Profile demo \& 3 $\pm$ 1 things of 50 \%" in text
    assert r"full $|$ resolution\_1" in text
    assert r"\textbf{3.0000}" in text
    assert r"\underline{2.0000}" in text
    assert text.isascii()
    bare = re.sub(r"\\[{}]", "", text)
    assert bare.count("{") == bare.count("}")
    for environment in re.findall(r"\\begin\{(.+?)\}", text):
        assert text.count(rf"\begin{{{environment}}}") == text.count(rf"\end{{{environment}}}")
    assert text.count(r"\begin{table*}") == 2
    body = text.split(r"\toprule")[1].split(r"\bottomrule")[0]
    rows = [row for row in body.split(r"\\") if "&" in row.replace(r"\&", "")]
    assert {row.replace(r"\&", "").count("&") for row in rows} == {1 + len(METRICS)}


def test_infinite_values_are_the_best(ranked, summary):
    table, numbers = ranked(b=summary(1.0, PSNR=40.0), a=summary(1.0, PSNR=math.inf))
    assert "**∞**" in to_markdown(table)
    assert r"\textbf{$\infty$}" in to_latex(table)
    assert ",inf," in numbers


def test_a_lone_row_is_not_marked(ranked, summary):
    table, _ = ranked(controls=["b"], a=summary(1.0), b=summary(2.0))
    first, rule, control = table.grids[0].rows
    assert all(cell.style == "plain" for cell in (*first, *control))
    assert rule.text == CONTROLS


def test_missing_truth_is_said(ranked, summary):
    table, _ = ranked(a=summary(1.0, MSE=None))
    assert table.footnotes == ("MSE: no ground truth",)
    assert to_latex(table).count("no ground truth") == 2


def test_refuses_unequal_test_sets(ranked, summary):
    with pytest.raises(ValueError, match="different numbers"):
        ranked(a=summary(1.0), b=summary(1.0, images=6))


def test_the_caption_says_where_the_numbers_come_from():
    text = caption_of("Table 1.", "demo", "phantom", 12, 64, "36 images, 2000 steps")
    assert text.startswith(
        "Table 1. Profile demo; data: phantom; 12 test images of 64 × 64 pixels; "
        "training: 36 images, 2000 steps."
    )
