"""Plots of quality against evaluations, of calibration: the same bytes every time."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from tfsdiff.evaluation.calibration import Calibration
from tfsdiff.report.figures import canvas
from tfsdiff.report.quality import TOLERANCE_DB, Point

SAMPLERS = {  # name for readers, colour that the colour-blind can tell, marker
    "ancestral": ("ancestral (DDPM)", "#0072b2", "o"),
    "ddim": ("DDIM", "#d55e00", "s"),
    "dpmpp": ("DPM-Solver++ (2M)", "#009e73", "^"),
}
QUALITY_METRICS = ("PSNR", "SSIM", "LPIPS")
UNITS = {"PSNR": "PSNR ↑ [dB]", "SSIM": "SSIM ↑", "LPIPS": "LPIPS ↓"}
GRID = {"color": "0.9", "linewidth": 0.5}


def quality(points: Sequence[Point], full: Point, path: Path, title: str) -> None:
    """Draw PSNR, SSIM and LPIPS against evaluations to the PNG file `path`, one line a sampler.

    Args:
        points: scores at each sampler and number of evaluations.
        full: those of the full ancestral chain: a horizontal line, and 0.1 dB around it.
        path: where to.
        title: shown above the panels.
    """
    with canvas(path, 2000, 800) as figure:
        figure.suptitle(title, fontsize=9, y=0.97)
        for place, metric in enumerate(QUALITY_METRICS):
            axes = figure.add_axes((0.065 + 0.325 * place, 0.23, 0.255, 0.64))
            _quality_panel(axes, points, full, metric)
        handles, labels = figure.axes[0].get_legend_handles_labels()
        figure.legend(
            handles, labels, loc="lower center", ncols=len(labels), frameon=False, fontsize=8
        )


def _quality_panel(axes: Axes, points: Sequence[Point], full: Point, metric: str) -> None:
    level = full.truth(metric)
    _style(axes, "evaluations of the network", UNITS[metric])
    if level is None:
        _say_why_empty(axes, full.summary.empty.get(metric, "not computed"))
        return
    for sampler, (label, colour, marker) in SAMPLERS.items():
        found = sorted((p.evaluations, p.truth(metric)) for p in points if p.sampler == sampler)
        if found:
            axes.plot(
                *zip(*found, strict=True), color=colour, marker=marker, ms=3, lw=1.2, label=label
            )
    name = f"full chain, {full.evaluations} evaluations"
    if metric == "PSNR":
        name += f" ± {TOLERANCE_DB} dB"
        axes.axhspan(level - TOLERANCE_DB, level + TOLERANCE_DB, color="0.88", lw=0, zorder=0)
    axes.axhline(level, color="0.45", lw=0.9, ls="--", zorder=1, label=name)
    ticks = sorted({point.evaluations for point in points})
    axes.set_xscale("log")
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.xaxis.set_minor_locator(NullLocator())


def _say_why_empty(axes: Axes, reason: str) -> None:
    axes.set(xticks=[], yticks=[])
    text = textwrap.fill(reason, 40)
    axes.text(0.5, 0.5, text, ha="center", va="center", fontsize=6, color="0.4")


def _style(axes: Axes, across: str, up: str) -> None:
    axes.set_xlabel(across, fontsize=8)
    axes.set_ylabel(up, fontsize=8)
    axes.tick_params(labelsize=7)
    axes.grid(**GRID)
    axes.set_axisbelow(True)


@dataclass(frozen=True)
class Example:
    """Maps of one group: mean (H, W, 3) uint8, deviation and error (H, W) in grey levels."""

    name: str
    mean: np.ndarray
    deviation: np.ndarray
    error: np.ndarray


def calibration(found: Calibration, example: Example, path: Path, title: str) -> None:
    """Draw predicted deviation against actual error, and the maps of one group beside it."""
    with canvas(path, 2200, 700) as figure:
        figure.suptitle(title, fontsize=9, y=0.97)
        axes = figure.add_axes((0.05, 0.16, 0.225, 0.7))
        _calibration_panel(axes, found)
        _maps(figure, example)


def _calibration_panel(axes: Axes, found: Calibration) -> None:
    _style(axes, "predicted deviation [grey levels]", "RMSE of the mean [grey levels]")
    points = [(one.deviation, one.rmse) for one in found.bins]
    end = 1.08 * max(max(point) for point in points) or 1.0
    larger = found.all.deviation > found.all.rmse  # then the upper left corner is free
    axes.plot([0, end], [0, end], color="0.45", lw=0.9, ls="--", label="as predicted")
    axes.plot(*zip(*points, strict=True), color="#0072b2", marker="o", ms=3, lw=1.2)
    axes.set(xlim=(0, end), ylim=(0, end))
    axes.legend(frameon=False, fontsize=7, loc="upper left" if larger else "lower right")
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
    bar.ax.tick_params(labelsize=7)
    bar.set_label("grey levels", fontsize=8)
