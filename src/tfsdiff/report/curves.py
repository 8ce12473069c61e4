"""Curves of all trainings, from DVCLive's tables."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes

from tfsdiff.common.errors import InputError
from tfsdiff.report.figures import canvas
from tfsdiff.report.labels import label

PANELS = {  # table of a training: name of the axis, whether it is logarithmic
    "train/loss": ("training loss", True),
    "validation/psnr": ("validation PSNR [dB]", False),
}
LOSSES = {"train/loss": "training", "validation/loss": "validation"}  # of a fuser: table, its name
Lines = Mapping[str, pd.Series]  # network: values by step


def read_curve(folder: Path, name: str) -> pd.Series | None:
    """Read the values of a training by their steps; None of a network that learned nothing.

    Args:
        folder: of DVCLive.
        name: of the table, e.g. "validation/psnr".

    Raises:
        InputError: the training has left no such table.
    """
    try:
        summary = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
        if summary["parameters"] == 0:
            return None
        table = folder / "plots" / "metrics" / f"{name}.tsv"
        return pd.read_csv(table, sep="\t", index_col="step").iloc[:, 0]
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise InputError(f"{folder}: no curve of {name} in it ({error!r}); train again") from None


def draw_curves(scales: Sequence[int], lines: Mapping[tuple[str, int], Lines], path: Path) -> None:
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
            frameon=False,
            fontsize=7,
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
            lw=1.2,
            marker="o",
            ms=2,
            color=f"C{networks.index(network)}",
            label=label(network),
        )
    if logarithmic:
        axes.set_yscale("log")
    if panel == next(iter(PANELS)):
        axes.set_title(f"×{scale}", fontsize=9)
    else:
        axes.set_xlabel("step", fontsize=8)
    axes.set_ylabel(name, fontsize=8)
    axes.tick_params(labelsize=7, which="both")
    axes.grid(color="0.9", linewidth=0.5)


def draw_losses(losses: Mapping[str, Lines], path: Path) -> None:
    """Draw the losses of the fusers that learn to the PNG file `path`, a panel each.

    Args:
        losses: by fuser, then by table (`LOSSES`), the values by step. No two fusers minimise the
            same thing, so their panels have scales of their own.
        path: where to.
    """
    count = max(len(losses), 1)
    with canvas(path, 640 * count + 60, 620) as figure:
        grid = figure.subplots(1, count, squeeze=False)[0]
        for axes, (fuser, lines) in zip(grid, losses.items(), strict=False):
            for table, values in lines.items():
                axes.plot(values.index, values, lw=1.2, marker="o", ms=2, label=LOSSES[table])
            axes.set_title(label(fuser), fontsize=9)
            axes.set_xlabel("step", fontsize=8)
            axes.tick_params(labelsize=7, which="both")
            axes.grid(color="0.9", linewidth=0.5)
            axes.legend(frameon=False, fontsize=7)
        grid[0].set_ylabel("loss", fontsize=8)
        figure.tight_layout()
