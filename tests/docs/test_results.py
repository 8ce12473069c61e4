"""Tables, numbers and figures of the documentation are those of docs/results and of dvc.yaml."""

import pytest
import yaml

import collect
import figures
import graph
import results
from tfsdiff.compose import CHOSEN, choice


def test_the_drawn_graph_is_that_of_dvc_yaml():
    drawn = graph.draw(results.ROOT)
    assert (results.FIGURES / "pipeline.svg").read_text() == drawn, "run docs/tools/figures.py"
    stages = yaml.safe_load((results.ROOT / "dvc.yaml").read_text())["stages"]
    assert all(f">{graph.base(stage)}</text>" in drawn for stage in stages)


def test_edges_that_a_longer_way_implies_are_not_drawn():
    edges = [("a", "b"), ("b", "c"), ("a", "c"), ("c", "d"), ("a", "d")]
    assert graph.reduced(edges) == [("a", "b"), ("b", "c"), ("c", "d")]


@pytest.mark.slow
@pytest.mark.parametrize("theme", figures.THEMES, ids=lambda theme: theme.name)
def test_charts_are_of_the_numbers(theme, tmp_path, monkeypatch):
    monkeypatch.setattr(figures, "FIGURES", tmp_path)
    for draw in (figures.quality, figures.curves, figures.leakage):
        draw(theme)
    drawn = sorted(tmp_path.iterdir())
    assert drawn
    for path in drawn:
        assert (results.FIGURES / path.name).read_bytes() == path.read_bytes(), path.name


def test_a_difference_holds_in_the_stated_order_only():
    stated = results.difference("harvard", "x2,x4", "bitonicx-sr3", "tfsdiff", "PSNR")
    assert stated.count(" and ") == 1
    with pytest.raises(ValueError, match="is not better"):
        results.difference("harvard", "x4", "tfsdiff", "bitonicx-sr3", "PSNR")
    with pytest.raises(ValueError, match="no row"):
        results.value("harvard", "x4", "nobody", "PSNR")


def test_columns_and_rows_of_a_table_are_chosen():
    table = results.table("harvard", "1", "x4", "rows=tfsdiff,ctsr-sr3", "columns=SSIM,PSNR")
    head, _, *rows = table.splitlines()
    assert head == "| Method | SSIM ↑ | PSNR ↑ |"
    assert [row.split(" | ")[0] for row in rows] == ["| TFS-Diff", "| SR3 + CTSR"]
    with pytest.raises(ValueError, match="colour is none of"):
        results.table("harvard", "1", "x4", "colour=red")


def test_the_table_of_the_readme_is_narrow():
    assert max(map(len, results.readme_table().splitlines())) <= 120


def test_the_command_of_a_run_is_its_recorded_choice(tmp_path):
    words = [
        "profile=ci",
        "data.input=in",
        "scales=[2,4]",
        "train.steps=3",
        "compute.compile=false",
    ]
    chosen = tmp_path / f"workflow/conf/{CHOSEN}.yaml"
    chosen.parent.mkdir(parents=True)
    chosen.write_text(choice(words, results.ROOT / "workflow/conf"))
    command = collect._command(tmp_path).split()
    assert command[:3] == ["python", "-m", "tfsdiff.compose"]
    assert sorted(command[3:]) == sorted(words)
