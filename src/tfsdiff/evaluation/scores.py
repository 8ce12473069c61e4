"""Scores of fused images in a tidy table, a line a value, and their means.

`results/scores/xSCALE.csv` holds all images of all rows at one scale, with the columns

    scale, row, group   the image
    metric, against     what was measured, and the reference: truth, sources or none
    value               nine significant digits; an infinite PSNR is "inf"
    reason              why there is no value

`results/metrics/xSCALE/ROW.json` holds the means of one row, for `dvc metrics`.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from tfsdiff.common.errors import InputError
from tfsdiff.common.files import replacing
from tfsdiff.evaluation.rows import Row
from tfsdiff.metrics.registry import METRICS

AGAINST = ("sources", "truth")
ITSELF = "none"  # the reference of a metric that needs none
COLUMNS = ["scale", "row", "group", "metric", "against", "value", "reason"]
NO_TRUTH = "no ground truth"

ImageScores = Mapping[str, Mapping[str, float | None]]


@dataclass(frozen=True)
class Summary:
    """Mean scores of some images.

    Attributes:
        images: how many.
        sources, truth: {metric: mean over the images, six significant digits}, None where one of
            them has no value.
        empty: {metric: reason}.
    """

    images: int
    sources: dict[str, float | None]
    truth: dict[str, float | None]
    empty: dict[str, str]


def tabulate(
    row: str,
    scale: int,
    groups: Sequence[str],
    images: Sequence[ImageScores],
    empty: Mapping[str, str],
) -> pd.DataFrame:
    """Lay out scores of the images of one row as a tidy table.

    Args:
        row: its name.
        scale: of the row.
        groups: names of the images.
        images: their scores, {metric: {"sources": value, "truth": value}}, in the same order.
        empty: {metric: reason} of what could not be computed.
    """
    if not groups or len(groups) != len(images):
        raise ValueError(f"{len(groups)} names for {len(images)} scored images")
    lines = []
    for group, scores in zip(groups, images, strict=True):
        for name, metric in METRICS.items():
            for against in AGAINST if metric.needs_reference else (ITSELF,):
                value = scores[name]["sources" if against == ITSELF else against]
                reason = empty.get(name, NO_TRUTH) if value is None else ""
                lines.append((scale, row, group, name, against, _rounded(value, 9), reason))
    return pd.DataFrame(lines, columns=COLUMNS)


def summarise(table: pd.DataFrame) -> Summary:
    """Average the scores of one row over its images.

    Raises:
        KeyError: a metric of the registry is not among the scores.
    """
    found = {key: _mean(values) for key, values in table.groupby(["metric", "against"])["value"]}
    blocks = {
        against: {
            name: found[name, against if metric.needs_reference else ITSELF]
            for name, metric in METRICS.items()
        }
        for against in AGAINST
    }
    wanting = table[table["reason"] != ""].drop_duplicates("metric")
    reasons = dict(zip(wanting["metric"], wanting["reason"], strict=True))
    empty = {name: why for name, why in reasons.items() if why != NO_TRUTH}
    return Summary(table["group"].nunique(), empty=empty, **blocks)


def write_scores(path: Path, table: pd.DataFrame) -> None:
    """Write a table of scores as CSV."""
    with replacing(path) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n")


def read_scores(folder: Path, rows: Iterable[Row]) -> dict[Row, Summary]:
    """Average the scores of rows, from the files xSCALE.csv in `folder`.

    Raises:
        InputError: a file is missing, is no table of scores, or lacks a row or a metric.
    """
    tables: dict[int, pd.DataFrame] = {}
    found = {}
    for row in rows:
        path = folder / f"x{row.scale}.csv"
        if row.scale not in tables:
            tables[row.scale] = _read(path)
        try:
            found[row] = summarise(tables[row.scale].query("row == @row.name"))
        except KeyError:
            raise InputError(
                f"{path}: lacks scores of {row.name}; run the stage evaluate for scale {row.scale}"
            ) from None
    return found


def write_means(folder: Path, tables: Mapping[str, pd.DataFrame]) -> None:
    """Write the means of each row to `folder`/ROW.json; all files, or none."""
    with replacing(folder) as temporary:
        temporary.mkdir()
        for name, table in tables.items():
            text = json.dumps(_means(summarise(table)), indent=2, allow_nan=False)
            (temporary / f"{name}.json").write_text(f"{text}\n", encoding="utf-8")


def _means(summary: Summary) -> dict[str, Any]:
    """Nested as `dvc metrics show` turns into columns: truth.PSNR, sources.PSNR and so on."""
    means: dict[str, Any] = {"images": summary.images}
    for against in ("truth", "sources"):
        means[against] = {
            name: value if value is None or math.isfinite(value) else repr(value)
            for name, value in getattr(summary, against).items()
            if METRICS[name].needs_reference
        }
    means[ITSELF] = {
        name: summary.sources[name]
        for name, metric in METRICS.items()
        if not metric.needs_reference
    }
    return means


def _read(path: Path) -> pd.DataFrame:
    cure = f"run the stage evaluate for scale {path.stem[1:]}"
    types = dict.fromkeys(COLUMNS, str) | {"scale": int, "value": float}
    try:
        table = pd.read_csv(path, dtype=types, keep_default_na=False, na_values={"value": ""})
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); {cure}") from None
    except ValueError as error:
        raise InputError(f"{path}: is no table of scores ({error}); {cure}") from None
    if list(table.columns) != COLUMNS:
        raise InputError(f"{path}: is no table of scores ({list(table.columns)}); {cure}")
    return table


def _mean(values: Iterable[float]) -> float | None:
    numbers = list(values)
    if any(math.isnan(number) for number in numbers):
        return None
    return _rounded(math.fsum(numbers) / len(numbers), 6)


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else float(f"{value:.{digits}g}")
