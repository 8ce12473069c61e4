"""The two files that scores of one cell (one row of a table at one scale) are kept in.

Per image `results/scores/ROW-xS.csv`, for paired tests; per cell `results/metrics/ROW-xS.json`, for
the tables. Values have six significant digits, an infinite PSNR is the text "inf", and what could
not be computed is empty (CSV) or null (JSON) with its reason under "empty".
"""

import csv
import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfsdiff.common.errors import InputError
from tfsdiff.common.files import replacing
from tfsdiff.metrics.registry import METRICS, Scores

AGAINST = ("sources", "truth")
HEADER = ("group", "metric", "against", "value")


@dataclass(frozen=True)
class Statistic:
    """Mean over the images, and sample standard deviation (divisor n - 1) where it is defined."""

    mean: float
    std: float | None


@dataclass(frozen=True)
class Summary:
    """Scores of one cell.

    Attributes:
        row, scale: which cell.
        images: number of test images.
        sources, truth: {metric: statistic}, None where the value is empty.
        empty: {metric: reason}.
    """

    row: str
    scale: int
    images: int
    sources: dict[str, Statistic | None]
    truth: dict[str, Statistic | None]
    empty: dict[str, str]


def write_scores(
    csv_path: Path, json_path: Path, row: str, scale: int, groups: Sequence[str], scores: Scores
) -> Summary:
    """Write both files of one cell.

    Args:
        csv_path: where the values of every image go.
        json_path: where their means and deviations go.
        row: name of the cell's row.
        scale: scale of the cell.
        groups: names of the images, in the order of `scores.rows`.
        scores: what `tfsdiff.metrics.score` gave; that of batches can be joined.

    Returns:
        What the JSON file now holds.
    """
    summary = summarise(row, scale, groups, scores)
    with replacing(csv_path) as path, path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(HEADER)
        writer.writerows(_lines(groups, scores))
    with replacing(json_path) as path:
        path.write_text(_to_json(summary), encoding="utf-8")
    return summary


def summarise(row: str, scale: int, groups: Sequence[str], scores: Scores) -> Summary:
    """Aggregate the scores of one cell over its images."""
    if not groups or len(groups) != len(scores.rows):
        raise ValueError(f"{len(groups)} names for {len(scores.rows)} scored images")
    sources, truth = (
        {name: _statistic([image[name][against] for image in scores.rows]) for name in METRICS}
        for against in AGAINST
    )
    return Summary(row, scale, len(groups), sources, truth, dict(scores.empty))


def _statistic(values: Sequence[float | None]) -> Statistic | None:
    if any(value is None for value in values):
        return None
    mean = math.fsum(values) / len(values)
    defined = len(values) > 1 and math.isfinite(mean)
    return Statistic(_six_digits(mean), _six_digits(statistics.stdev(values)) if defined else None)


def _six_digits(value: float) -> float:
    return float(f"{value:.6g}")


def _lines(groups: Sequence[str], scores: Scores) -> list[tuple[str, str, str, str]]:
    """Lines of the CSV; a metric without a reference has one, against "none"."""
    lines = []
    for group, image in zip(groups, scores.rows, strict=True):
        for name, metric in METRICS.items():
            for against in AGAINST if metric.needs_reference else AGAINST[:1]:
                value = image[name][against]
                text = "" if value is None else repr(_six_digits(value))
                lines.append((group, name, against if metric.needs_reference else "none", text))
    return lines


def _to_json(summary: Summary) -> str:
    values: dict[str, Any] = {
        "row": summary.row,
        "scale": summary.scale,
        "images": summary.images,
        "empty": summary.empty,
    }
    for against in AGAINST:
        values[against] = {
            name: None if found is None else {"mean": _plain(found.mean), "std": found.std}
            for name, found in getattr(summary, against).items()
        }
    return json.dumps(values, indent=2, sort_keys=True, allow_nan=False) + "\n"


def _plain(value: float) -> float | str:
    return value if math.isfinite(value) else repr(value)


def read_summary(path: Path) -> Summary:
    """Read the JSON file of one cell.

    Raises:
        InputError: the file is missing or not as `write_scores` writes it.
    """
    cure = "run the evaluate stage for this row and scale"
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        blocks = {against: _statistics(values[against]) for against in AGAINST}
        return Summary(
            str(values["row"]),
            int(values["scale"]),
            int(values["images"]),
            empty=dict(values["empty"]),
            **blocks,
        )
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); {cure}") from None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(f"{path}: no summary of scores ({error!r}); {cure}") from None


def _statistics(block: dict[str, Any]) -> dict[str, Statistic | None]:
    """Statistics of all metrics in the order of the tables."""
    return {
        name: None
        if block[name] is None
        else Statistic(float(block[name]["mean"]), block[name]["std"])
        for name in METRICS
    }


def read_scores(path: Path) -> dict[tuple[str, str, str], float | None]:
    """Read the CSV file of one cell: {(group, metric, against): value}.

    Raises:
        InputError: the file is missing or has other columns.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            header, *lines = csv.reader(file)
        if tuple(header) != HEADER:
            raise ValueError(f"columns {header}")
        return {
            (group, name, against): float(value) if value else None
            for group, name, against, value in lines
        }
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); run evaluate") from None
    except ValueError as error:
        raise InputError(f"{path}: no scores of images ({error}); run evaluate again") from None
