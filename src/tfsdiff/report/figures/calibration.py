"""The calibration of a predicted deviation, and maps of one group."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tfsdiff.evaluation.calibration import Calibration
from tfsdiff.report.figures.canvas import canvas


@dataclass(frozen=True)
class Example:
    """Maps of one group: mean (H, W, 3) uint8, deviation and error (H, W) in grey levels."""

    name: str
    mean: np.ndarray
    deviation: np.ndarray
    error: np.ndarray


def draw_calibration(found: Calibration, example: Example, path: Path, title: str) -> None:
    """Draw predicted deviation against actual error, and the maps of one group beside it."""
    with canvas(path, 2200, 700) as figure:
        figure.suptitle(title, y=0.97)
        axes = figure.add_axes((0.05, 0.16, 0.225, 0.7))
        _calibration_panel(axes, found)
        _maps(figure, example)


def _calibration_panel(axes: Axes, found: Calibration) -> None:
    axes.set(xlabel="predicted deviation [grey levels]", ylabel="RMSE of the mean [grey levels]")
    axes.grid()
    points = [(one.deviation, one.rmse) for one in found.bins]
    end = 1.08 * max(max(point) for point in points) or 1.0
    larger = found.all.deviation > found.all.rmse  # then the upper left corner is free
    axes.plot([0, end], [0, end], color="0.45", lw=0.9, ls="--", label="as predicted")
    axes.plot(*zip(*points, strict=True), color="#0072b2", marker="o")
    axes.set(xlim=(0, end), ylim=(0, end))
    axes.legend(loc="upper left" if larger else "lower right")
    known = "undefined" if found.correlation is None else f"{found.correlation:.2f}"
    text = (
        f"correlation {known}\nwithin 1 deviation {found.all.within_1:.0%}\n"
        f"within 2 deviations {found.all.within_2:.0%}"
    )
    place, side = ((0.04, 0.78), "left") if larger else ((0.96, 0.12), "right")
    axes.text(*place, text, transform=axes.transAxes, ha=side, va="bottom", fontsize=7)


def _maps(figure: Figure, example: Example) -> None:
    top = max(float(np.percentile(example.error, 99.5)), 1.0)
    pictures = (
        (f"{example.name}: mean", example.mean),
        ("predicted deviation", example.deviation),
        ("actual error", example.error),
    )
    for place, (name, values) in enumerate(pictures):
        axes = figure.add_axes((0.3 + 0.213 * place, 0.14, 0.205, 0.205 * 2200 / 700))
        axes.set_axis_off()
        shown = axes.imshow(values, cmap="magma", vmin=0, vmax=top, interpolation="nearest")
        axes.set_title(name, fontsize=8)
    bar = figure.colorbar(shown, cax=figure.add_axes((0.945, 0.16, 0.01, 0.6)), extend="max")
    bar.set_label("grey levels")
