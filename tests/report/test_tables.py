"""Marks, ties, controls, empty places and escaping of the tables."""

import csv
import io
import math
import re

import pytest

from tfsdiff.metrics.registry import METRICS
from tfsdiff.report import markup
from tfsdiff.report.tables import caption, render_table

CAPTION = "Table 1. Profile demo & 3 ± 1 things of 50 %"


@pytest.fixture
def table(summary):
    """Three methods and a control at two scales; LPIPS is empty, MSE tied."""
    reason = {"LPIPS": "no weights_file"}
    cells = {}
    for scale in (2, 4):
        for row, value in (("mean", 1.0), ("bitonicx-sr3", 2.0), ("tfsdiff", 3.0), ("full", 9.0)):
            mse = 7.04 if row == "tfsdiff" else 7.0001
            cells[row, scale] = summary(row, value, scale, empty=reason, LPIPS=None, MSE=mse)
    labels = {"bitonicx-sr3": "SR3 + BitonicX", "full": "full | resolution_1"}
    rows = ["mean", "bitonicx-sr3", "tfsdiff"]
    return render_table(cells, rows, [2, 4], CAPTION, ["full"], labels)


def columns(grid):
    """Rows of a Markdown grid as {first column: {heading: text}}."""
    lines = [line.strip("| ").split(" | ") for line in grid.splitlines() if line.startswith("|")]
    head = [cell.split()[0] for cell in lines[0]]
    return {line[0]: dict(zip(head, line, strict=False)) for line in lines[2:]}


def test_marks_in_markdown(table):
    grid = columns(table.markdown().split("**×2. ")[1])
    assert list(grid)[:3] == ["mean", "SR3 + BitonicX", "tfsdiff"]
    assert grid["tfsdiff"]["SSIM"] == "**3.0000**"  # higher is better
    assert grid["SR3 + BitonicX"]["SSIM"] == "<u>2.0000</u>"
    assert grid["mean"]["SSIM"] == "1.0000"
    assert grid["mean"]["RMSE"] == "**1.00**"  # lower is better
    assert grid["tfsdiff"]["RMSE"] == "3.00"


def test_equal_prints_share_a_mark(table):
    rows = table.blocks[0].lines
    mse = list(METRICS).index("MSE")
    assert [row.entries[mse].text for row in rows] == ["7.0"] * 4
    assert [row.entries[mse].place for row in rows] == [1, 1, 1, 0]


def test_controls_stand_below_and_carry_no_mark(table):
    text = table.markdown()
    grid = text.split("**×2. ")[1].split("\n\n")[1].splitlines()
    assert markup.CONTROLS in grid[-2]
    assert grid[-1].startswith(r"| full \| resolution\_1 | 9.000 |")
    assert all(entry.place == 0 for line in table.blocks[0].controls for entry in line.entries)
    assert r"\cmidrule(l){2-10}" + "\n & full" in table.latex()


def test_empty_places_have_a_footnote_once(table):
    assert table.notes == ("LPIPS: no weights_file",)
    text = table.markdown()
    assert text.count("–<sup>1</sup>") == 4 * 2 * 2
    assert text.endswith("\n\n<sup>1</sup> LPIPS: no weights\\_file\n")
    assert r"\textsuperscript{1} LPIPS: no weights\_file" in table.latex()


def test_arrows_and_order_of_the_columns(table):
    head = "| Method | AG ↑ | MSE ↓ | VIF ↑ | SSIM ↑ | PSNR ↑ | LPIPS ↓ | MAE ↓ | RMSE ↓ |"
    assert table.markdown().count(head) == 4
    blocks = [(block.against, block.scale) for block in table.blocks]
    assert blocks == [("truth", 2), ("truth", 4), ("sources", 2), ("sources", 4)]


def test_csv_has_bare_numbers(table):
    rows = list(csv.DictReader(io.StringIO(table.csv())))
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
    text = table.latex()
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
    assert {row.replace(r"\&", "").count("&") for row in rows} == {9}


def test_infinite_values_are_the_best(summary):
    cells = {("a", 2): summary("a", 1.0, PSNR=math.inf), ("b", 2): summary("b", 1.0, PSNR=40.0)}
    table = render_table(cells, ["b", "a"], [2], "c")
    assert "**∞**" in table.markdown()
    assert r"\textbf{$\infty$}" in table.latex()
    assert ",inf," in table.csv()


def test_a_lone_row_is_not_marked(summary):
    cells = {("a", 2): summary("a", 1.0), ("b", 2): summary("b", 2.0)}
    table = render_table(cells, ["a"], [2], "c", controls=["b"])
    assert all(entry.place == 0 for line in table.blocks[0].lines for entry in line.entries)


def test_missing_truth_is_said(summary):
    table = render_table({("a", 2): summary("a", 1.0, MSE=None)}, ["a"], [2], "c")
    assert table.notes == ("MSE: no ground truth",)
    assert table.latex().count("no ground truth") == 2


def test_refuses_gaps_and_unequal_test_sets(summary):
    cells = {("a", 2): summary("a", 1.0), ("b", 2): summary("b", 1.0, images=6)}
    with pytest.raises(ValueError, match=r"no scores for \[\('a', 4\)\]"):
        render_table(cells, ["a"], [2, 4], "c")
    with pytest.raises(ValueError, match="different numbers"):
        render_table(cells, ["a", "b"], [2], "c")


def test_the_caption_says_where_the_numbers_come_from():
    text = caption("Table 1.", "demo", "phantom", 12, 64, "36 images, 2000 steps")
    assert text.startswith(
        "Table 1. Profile demo; data: phantom; 12 test images of 64 × 64 pixels; "
        "training: 36 images, 2000 steps."
    )


def test_every_metric_has_its_convention_listed():
    lines = markup.conventions().splitlines()
    assert [line.split("**")[1] for line in lines] == list(METRICS)
    assert "4 scales" in lines[2]


def test_latex_escapes_each_special_character():
    assert markup.latex_text("a_b^~\\{}#$%&") == (
        r"a\_b\textasciicircum{}\textasciitilde{}\textbackslash{}\{\}\#\$\%\&"
    )
