"""Losses and validation scores of trainings by their steps."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes

from tfsdiff.report.figures.canvas import canvas

PANELS = {  # table of a training: name of the axis, whether it is logarithmic
    "train/loss": ("training loss", True),
    "validation/psnr": ("validation PSNR [dB]", False),
}
LOSSES = {"train/loss": "training", "validation/loss": "validation"}  # of a fuser: table, its name
Lines = Mapping[str, pd.Series]  # name of a line for readers: values by step


def draw_training_curves(
    scales: Sequence[int], lines: Mapping[tuple[str, int], Lines], path: Path
) -> None:
    """Draw a column a scale and a row a panel, a line a network, to the PNG file `path`.

    Args:
        scales: the columns.
        lines: the curves of each (panel, scale).
        path: where to.
    """
    width, height = 760 * len(scales) + 480, 620 * len(PANELS)
    networks = list(dict.fromkeys(network for found in lines.values() for network in found))
    with canvas(path, width, height) as figure:
        grid = figure.subplots(len(PANELS), len(scales), squeeze=False, sharex=True)
        for row, panel in zip(grid, PANELS, strict=True):
            for axes, scale in zip(row, scales, strict=True):
                _panel(axes, panel, scale, lines[panel, scale], networks)
        handles = {}
        for axes in grid.flat:
            found, names = axes.get_legend_handles_labels()
            handles |= dict(zip(names, found, strict=True))
        right = 1 - 400 / width
        figure.legend(
            handles.values(),
            handles,
            loc="center left",
            bbox_to_anchor=(right, 0.5),
        )
        figure.subplots_adjust(
            left=170 / width, right=right, bottom=0.09, top=0.95, wspace=0.24, hspace=0.08
        )


def _panel(axes: Axes, panel: str, scale: int, lines: Lines, networks: Sequence[str]) -> None:
    name, logarithmic = PANELS[panel]
    for network, values in lines.items():
        axes.plot(
            values.index,
            values,
            marker="o",
            ms=2,
            color=f"C{networks.index(network)}",
            label=network,
        )
    if logarithmic:
        axes.set_yscale("log")
    if panel == next(iter(PANELS)):
        axes.set_title(f"×{scale}")
    else:
        axes.set_xlabel("step")
    axes.set_ylabel(name)
    axes.grid()


def draw_losses(losses: Mapping[str, Lines], path: Path) -> None:
    """Draw the losses of the fusers that learn to the PNG file `path`, a panel each.

    Args:
        losses: by fuser (its name for readers), then by table (`LOSSES`), the values by step. No
            two fusers minimise the same thing, so their panels have scales of their own.
        path: where to.
    """
    count = max(len(losses), 1)
    with canvas(path, 640 * count + 60, 620) as figure:
        grid = figure.subplots(1, count, squeeze=False)[0]
        for axes, (fuser, lines) in zip(grid, losses.items(), strict=False):
            for table, values in lines.items():
                axes.plot(values.index, values, marker="o", ms=2, label=LOSSES[table])
            axes.set_title(fuser)
            axes.set_xlabel("step")
            axes.grid()
            axes.legend()
        grid[0].set_ylabel("loss")
        figure.tight_layout()
