"""Calibration of a predicted deviation: is the error as large as it says, where it says so?"""

import csv
import math
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from tfsdiff.common.files import replacing


@dataclass(frozen=True)
class Bin:
    """Values whose predicted deviation is alike.

    Attributes:
        values: how many.
        deviation: root mean square of what was predicted.
        rmse: root mean square of the error.
        within_1, within_2: share of errors of at most 1 and 2 deviations.
    """

    values: int
    deviation: float
    rmse: float
    within_1: float
    within_2: float


@dataclass(frozen=True)
class Calibration:
    """Predicted deviation against actual error.

    A deviation estimated from K samples is calibrated where the RMSE of their mean is
    sqrt(1 + 1 / K) times as large (6 % more for 8): the truth and the mean both scatter. Of
    normal errors 68 % and 95 % are within 1 and 2 deviations.

    Attributes:
        bins: equally many values each, by rising deviation.
        all: all values in one bin.
        correlation: of predicted deviation and absolute error (Pearson), None without variance.
    """

    bins: tuple[Bin, ...]
    all: Bin
    correlation: float | None


def calibrate(deviation: Tensor, error: Tensor, bins: int) -> Calibration:
    """Compare predicted deviations with errors of the same shape, in at most `bins` bins."""
    order = deviation.flatten().sort(stable=True)
    predicted, actual = order.values, error.flatten()[order.indices]
    parts = zip(predicted.tensor_split(bins), actual.tensor_split(bins), strict=True)
    correlation = torch.corrcoef(torch.stack([predicted, actual.abs()]))[0, 1].item()
    return Calibration(
        tuple(_bin(*part) for part in parts if len(part[0])),
        _bin(predicted, actual),
        correlation if math.isfinite(correlation) else None,
    )


def _bin(deviation: Tensor, error: Tensor) -> Bin:
    rms = [values.square().mean().sqrt().item() for values in (deviation, error)]
    within = [(error.abs() <= k * deviation).double().mean().item() for k in (1, 2)]
    return Bin(len(error), *rms, *within)


def write_calibration(path: Path, found: Calibration) -> None:
    """Write as CSV: one line a bin, and a last one, "all", with the correlation."""
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        columns = ["deviation", "rmse", "within_1", "within_2"]
        writer.writerow(["bin", "values", *columns, "correlation"])
        for name, one in (*enumerate(found.bins, start=1), ("all", found.all)):
            numbers = [f"{getattr(one, column):.6g}" for column in columns]
            known = name == "all" and found.correlation is not None
            last = f"{found.correlation:.6g}" if known else ""
            writer.writerow([name, one.values, *numbers, last])
