"""Quality against evaluations of the network, a line a sampler."""

import textwrap
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from tfsdiff.evaluation.sampler_quality import TOLERANCE_DB, Point
from tfsdiff.report.figures.canvas import canvas

SAMPLERS = {  # label, colour distinguishable by the colour-blind, marker
    "ancestral": ("ancestral (DDPM)", "#0072b2", "o"),
    "ddim": ("DDIM", "#d55e00", "s"),
    "dpmpp": ("DPM-Solver++ (2M)", "#009e73", "^"),
}
QUALITY_METRICS = ("PSNR", "SSIM", "LPIPS")
UNITS = {"PSNR": "PSNR ↑ [dB]", "SSIM": "SSIM ↑", "LPIPS": "LPIPS ↓"}


def draw_sampler_quality(points: Sequence[Point], full: Point, path: Path, title: str) -> None:
    """Draw PSNR, SSIM and LPIPS against evaluations to the PNG file `path`, one line a sampler.

    Args:
        points: scores at each sampler and number of evaluations.
        full: those of the full ancestral chain: a horizontal line, and 0.1 dB around it.
        path: where to.
        title: shown above the panels.
    """
    with canvas(path, 2000, 800) as figure:
        figure.suptitle(title, y=0.97)
        for place, metric in enumerate(QUALITY_METRICS):
            axes = figure.add_axes((0.065 + 0.325 * place, 0.23, 0.255, 0.64))
            _quality_panel(axes, points, full, metric)
        handles, labels = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="lower center", ncols=len(labels), fontsize=8)


def _quality_panel(axes: Axes, points: Sequence[Point], full: Point, metric: str) -> None:
    level = full.summary.truth[metric]
    axes.set(xlabel="evaluations of the network", ylabel=UNITS[metric])
    axes.grid()
    if level is None:
        _say_why_empty(axes, full.summary.empty.get(metric, "not computed"))
        return
    for sampler, (label, colour, marker) in SAMPLERS.items():
        found = sorted(
            (p.evaluations, p.summary.truth[metric]) for p in points if p.sampler == sampler
        )
        if found:
            axes.plot(*zip(*found, strict=True), color=colour, marker=marker, label=label)
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
