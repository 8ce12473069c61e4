"""Scores as tidy tables, their means, and the files that both are kept in."""

import json
import math

import pandas as pd
import pytest

from tfsdiff.common.errors import InputError
from tfsdiff.evaluation.rows import Row
from tfsdiff.evaluation.scores import (
    COLUMNS,
    read_scores,
    summarise,
    tabulate,
    write_means,
    write_scores,
)
from tfsdiff.metrics.registry import METRICS

MEAN = Row("mean", "bicubic", 2)


def both(sources, truth):
    return {"sources": sources, "truth": truth}


def image(shift, **named):
    values = {name: both(10.0 + i + shift, 20.0 + i + shift) for i, name in enumerate(METRICS)}
    return values | {"AG": both(3.0 + shift, 3.0 + shift)} | named


@pytest.fixture
def table():
    """Two images; one is perfect, and LPIPS could not be had."""
    none = both(None, None)
    images = [image(0.0, PSNR=both(21.123456789, math.inf), LPIPS=none), image(1.0, LPIPS=none)]
    return tabulate(MEAN.name, 2, ["a-1", "b-2"], images, {"LPIPS": "no weights"})


def test_a_table_has_a_line_a_value(table):
    assert list(table.columns) == COLUMNS
    assert set(table["scale"]) == {2}
    assert set(table["row"]) == {"mean-bicubic"}
    alone = sum(not metric.needs_reference for metric in METRICS.values())
    assert len(table) == 2 * (alone + 2 * (len(METRICS) - alone))
    values = table.set_index(["group", "metric", "against"])["value"]
    assert values["a-1", "AG", "none"] == 3
    assert values["a-1", "PSNR", "sources"] == 21.1234568
    assert values["a-1", "PSNR", "truth"] == math.inf
    assert math.isnan(values["b-2", "LPIPS", "truth"])
    assert set(table.query("metric == 'LPIPS'")["reason"]) == {"no weights"}


def test_means_have_six_digits_and_empty_metrics_a_reason(table):
    summary = summarise(table)
    assert summary.images == 2
    assert list(summary.truth) == list(summary.sources) == list(METRICS)
    mse = list(METRICS).index("MSE")
    assert summary.sources["MSE"] == 10.5 + mse
    assert summary.truth["PSNR"] == math.inf
    assert summary.truth["AG"] == summary.sources["AG"] == 3.5
    assert summary.truth["LPIPS"] is None
    assert summary.empty == {"LPIPS": "no weights"}
    third = tabulate("mean", 2, ["a"], [image(1 / 3)], {})
    assert summarise(third).truth["AG"] == 3.33333


def test_without_truth_its_means_are_empty():
    summary = summarise(tabulate("mean", 2, ["a"], [image(0.0, MSE=both(4.0, None))], {}))
    assert (summary.sources["MSE"], summary.truth["MSE"]) == (4.0, None)
    assert summary.empty == {}


def test_what_is_written_is_read(table, tmp_path):
    other = Row("tfsdiff", None, 2)
    more = tabulate(other.name, 2, ["a-1"], [image(0.5)], {})
    write_scores(tmp_path / "x2.csv", pd.concat([table, more]))
    found = read_scores(tmp_path, [other, MEAN])
    assert found == {other: summarise(more), MEAN: summarise(table)}
    before = (tmp_path / "x2.csv").read_bytes()
    write_scores(tmp_path / "x2.csv", pd.concat([table, more]))
    assert (tmp_path / "x2.csv").read_bytes() == before


def test_means_are_valid_json_that_dvc_lays_out(table, tmp_path):
    write_means(tmp_path / "x2", {MEAN.name: table})

    def refuse(constant):
        raise AssertionError(constant)

    text = (tmp_path / "x2/mean-bicubic.json").read_text(encoding="utf-8")
    values = json.loads(text, parse_constant=refuse)
    assert values["images"] == 2
    assert values["truth"]["PSNR"] == "inf"
    assert values["sources"]["LPIPS"] is None
    assert values["none"]["AG"] == 3.5
    assert set(values["truth"]) | set(values["none"]) == set(METRICS)


def test_names_must_fit():
    with pytest.raises(ValueError, match="1 names for 2"):
        tabulate("mean", 2, ["a"], [image(0.0), image(1.0)], {})
    with pytest.raises(ValueError, match="0 names for 0"):
        tabulate("mean", 2, [], [], {})


@pytest.mark.parametrize("text", [None, "", "a,b\n1,2\n", f"{','.join(COLUMNS)}\n2,a,b,c,d,e,f\n"])
def test_scores_that_cannot_be_read_are_named(text, tmp_path):
    if text is not None:
        (tmp_path / "x2.csv").write_text(text)
    with pytest.raises(InputError, match=r"x2\.csv: .*run the stage evaluate for scale 2"):
        read_scores(tmp_path, [MEAN])


@pytest.mark.parametrize("query", ["row == 'other'", "metric != 'MSE'"])
def test_scores_that_lack_a_row_or_a_metric_are_named(query, table, tmp_path):
    write_scores(tmp_path / "x2.csv", table.query(query))
    with pytest.raises(InputError, match=r"x2\.csv: lacks scores of mean-bicubic; run"):
        read_scores(tmp_path, [MEAN])
