"""The files that scores are kept in."""

import json
import math

import pytest

from tfsdiff.common.errors import InputError
from tfsdiff.evaluation.scores import Statistic, read_scores, read_summary, summarise, write_scores
from tfsdiff.metrics.registry import METRICS, Scores


def both(sources, truth):
    return {"sources": sources, "truth": truth}


def image(shift, **named):
    values = {name: both(10.0 + i + shift, 20.0 + i + shift) for i, name in enumerate(METRICS)}
    values["AG"] = both(3.0 + shift, 3.0 + shift)
    return values | named


@pytest.fixture
def scores():
    """Two images; one is perfect, and LPIPS could not be had."""
    none = both(None, None)
    first = image(0.0, PSNR=both(21.123456789, math.inf), LPIPS=none)
    return Scores([first, image(1.0, LPIPS=none)], {"LPIPS": "no weights"})


@pytest.fixture
def written(scores, tmp_path):
    paths = tmp_path / "scores/mean-x2.csv", tmp_path / "metrics/mean-x2.json"
    summary = write_scores(*paths, "mean", 2, ["a-1", "b-2"], scores)
    return *paths, summary


def test_what_is_written_is_read(written):
    csv_path, json_path, summary = written
    assert read_summary(json_path) == summary
    assert list(read_summary(json_path).truth) == list(METRICS)
    values = read_scores(csv_path)
    assert len(values) == 2 * (1 + 7 * 2)
    assert values["a-1", "AG", "none"] == 3
    assert values["a-1", "PSNR", "sources"] == 21.1235
    assert values["a-1", "PSNR", "truth"] == math.inf
    assert values["b-2", "LPIPS", "truth"] is None


def test_statistics(written):
    summary = written[2]
    assert (summary.row, summary.scale, summary.images) == ("mean", 2, 2)
    assert summary.sources["MSE"] == Statistic(11.5, 0.707107)
    assert summary.truth["PSNR"] == Statistic(math.inf, None)
    assert summary.truth["LPIPS"] is None
    assert summary.empty == {"LPIPS": "no weights"}


def test_the_summary_is_valid_json_in_a_stable_order(written, scores, tmp_path):
    text = written[1].read_text(encoding="utf-8")

    def refuse(constant):
        raise AssertionError(constant)

    values = json.loads(text, parse_constant=refuse)
    assert values["truth"]["PSNR"] == {"mean": "inf", "std": None}
    assert values["truth"]["LPIPS"] is None
    assert text == json.dumps(values, indent=2, sort_keys=True) + "\n"
    again = tmp_path / "again.csv", tmp_path / "again.json"
    write_scores(*again, "mean", 2, ["a-1", "b-2"], scores)
    assert [p.read_bytes() for p in again] == [p.read_bytes() for p in written[:2]]


def test_one_image_has_no_deviation():
    summary = summarise("mean", 2, ["a"], Scores([image(0.0)], {}))
    assert summary.sources["MSE"] == Statistic(11.0, None)


def test_without_truth_its_block_is_empty():
    row = image(0.0) | {"MSE": both(4.0, None)}
    summary = summarise("mean", 2, ["a"], Scores([row], {}))
    assert summary.sources["MSE"] == Statistic(4.0, None)
    assert summary.truth["MSE"] is None


def test_names_must_fit(scores):
    with pytest.raises(ValueError, match="1 names for 2"):
        summarise("mean", 2, ["a"], scores)
    with pytest.raises(ValueError, match="0 names for 0"):
        summarise("mean", 2, [], Scores([], {}))


@pytest.mark.parametrize("text", [None, "", "{}", "[]", '{"sources": 3}', '{"sources": {"AG": 1}}'])
def test_a_summary_that_cannot_be_read_is_named(text, tmp_path):
    path = tmp_path / "mean-x2.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=r"mean-x2\.json: .*run the evaluate stage"):
        read_summary(path)


@pytest.mark.parametrize("text", [None, "", "a,b\n1,2\n", "group,metric,against,value\na,b\n"])
def test_scores_that_cannot_be_read_are_named(text, tmp_path):
    path = tmp_path / "mean-x2.csv"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=r"mean-x2\.csv: .*run evaluate"):
        read_scores(path)
