"""Calibration of a predicted deviation: how well it agrees with the actual error."""

import math
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

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


def calibrate(
    deviation: NDArray[np.floating], error: NDArray[np.floating], bins: int
) -> Calibration:
    """Compare predicted deviations with errors of the same shape, in at most `bins` bins."""
    order = deviation.argsort(axis=None, kind="stable")
    predicted, actual = deviation.flat[order], error.flat[order]
    parts = zip(np.array_split(predicted, bins), np.array_split(actual, bins), strict=True)
    with np.errstate(divide="ignore", invalid="ignore"):  # undefined without variance
        correlation = float(np.corrcoef(predicted, np.abs(actual))[0, 1])
    return Calibration(
        tuple(_bin(*part) for part in parts if len(part[0])),
        _bin(predicted, actual),
        correlation if math.isfinite(correlation) else None,
    )


def _bin(deviation: NDArray[np.floating], error: NDArray[np.floating]) -> Bin:
    rms = [math.sqrt(np.square(values).mean()) for values in (deviation, error)]
    within = [float((np.abs(error) <= k * deviation).mean()) for k in (1, 2)]
    return Bin(len(error), *rms, *within)


def write_calibration(path: Path, found: Calibration) -> None:
    """Write as CSV: one line a bin, and a last one, "all", with the correlation."""
    named = [*enumerate(found.bins, start=1), ("all", found.all)]
    table = pd.DataFrame([{"bin": name, **asdict(one)} for name, one in named])
    table.loc[table.index[-1], "correlation"] = found.correlation
    with replacing(path) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n", float_format="%.6g")
