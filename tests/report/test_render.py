"""One table, in three formats."""

import subprocess
import sys
from importlib.resources import files

import pytest

from tfsdiff.report.render import (
    Cell,
    Document,
    Grid,
    Rule,
    latex_text,
    to_csv,
    to_latex,
    to_markdown,
)

ROWS = (
    (Cell("a_b"), Cell("x: 1", "code"), Cell("2", "best", note=1)),
    Rule("Others"),
    (Cell("c"), Cell(""), Cell("3")),
)
GRID = Grid(("Name", "Settings", "Value"), ROWS, texts=2)


def test_markdown():
    assert to_markdown(Document("A | b.", (GRID,), ("why",), ("Remark.",))) == (
        "A \\| b.\n\n"
        "| Name | Settings | Value |\n"
        "| --- | --- | ---: |\n"
        "| a\\_b | `x: 1` | **2**<sup>1</sup> |\n"
        "| *Others* |  |  |\n"
        "| c |  | 3 |\n\n"
        "<sup>1</sup> why\n\nRemark.\n"
    )


def test_latex_without_scales():
    text = to_latex(Document("A.", (GRID,), ("why",), ("Remark.",)))
    assert r"\begin{tabular}{llr}" in text
    assert "Name & Settings & Value" in text
    assert r"a\_b & \texttt{x: 1} & \textbf{2}\textsuperscript{1} \\" in text
    assert r"\cmidrule(l){1-3}" in text
    assert text.endswith("Remark.\\par\n\\end{table*}\n")


def test_csv_has_an_empty_field_for_nothing():
    assert to_csv(["a", "b"], [[1, None], ["x,y", 0.5]]) == 'a,b\n1,\n"x,y",0.5\n'


def test_latex_escapes_each_special_character():
    assert latex_text("a_b^~\\{}#$%&") == (
        r"a\_b\textasciicircum{}\textasciitilde{}\textbackslash{}\{\}\#\$\%\&"
    )


@pytest.mark.slow
def test_rendering_waits_for_no_pytorch():
    code = (
        "import importlib, pkgutil, sys, tfsdiff.report as report\n"
        "for found in pkgutil.walk_packages(report.__path__, 'tfsdiff.report.'):\n"
        "    importlib.import_module(found.name)\n"
        "print('tfsdiff.report.figures.leakage' in sys.modules, 'torch' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True False\n"


def test_the_style_is_part_of_the_package():
    assert files("tfsdiff.report").joinpath("tfsdiff.mplstyle").is_file()
