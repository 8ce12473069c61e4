"""A figure of leakage: similarity of test groups to their nearest in training, and examples."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tfsdiff.evaluation.leakage import LEVELS, Leak, Neighbour
from tfsdiff.report.figures.canvas import (
    FONT_POINTS,
    GAP_PIXELS,
    MARGIN_PIXELS,
    canvas,
    name_line,
)
from tfsdiff.report.leakage_table import LABELS

COLOURS = ("#d55e00", "#0072b2", "#009e73")  # distinguishable by the colour-blind
PLOT_PIXELS = 740  # at the left
CELL_PIXELS = 256
TITLE_PIXELS = 34  # above a line of pictures
HEAD_PIXELS = 76  # above them all
BLOCK_PIXELS = MARGIN_PIXELS + 3 * (CELL_PIXELS + GAP_PIXELS) + 16
HEIGHT_PIXELS = HEAD_PIXELS + 2 * (TITLE_PIXELS + CELL_PIXELS + GAP_PIXELS) + 12


@dataclass(frozen=True)
class Example:
    """A held-out group with its neighbour, and their three sources each, uint8 and square."""

    found: Neighbour
    group: tuple[np.ndarray, ...]
    nearest: tuple[np.ndarray, ...]


def draw_leakage(leaks: Sequence[Leak], examples: Sequence[Example | None], path: Path) -> None:
    """Draw the shares above each similarity, and an example a split beside them, to a PNG file.

    Args:
        leaks: of the test parts, one a split.
        examples: what is shown of each, or None where it has no neighbour at all.
        path: where to.
    """
    width = PLOT_PIXELS + BLOCK_PIXELS * len(leaks)
    with canvas(path, width, HEIGHT_PIXELS) as figure:
        left, bottom = 110 / width, 92 / HEIGHT_PIXELS
        size = 560 / width, 1 - (92 + HEAD_PIXELS) / HEIGHT_PIXELS
        _shares(figure.add_axes((left, bottom, *size)), leaks)
        for number, (leak, example) in enumerate(zip(leaks, examples, strict=True)):
            _block(figure, PLOT_PIXELS + number * BLOCK_PIXELS, leak, example, COLOURS[number])


def _shares(axes: Axes, leaks: Sequence[Leak]) -> None:
    lowest = 1.0
    for leak, colour in zip(leaks, COLOURS, strict=False):
        values = sorted(x.similarity for x in leak.neighbours if x.similarity is not None)
        lowest = min([lowest, *values])
        steps = [1 - i / len(values) for i in range(1, len(values) + 1)]
        axes.plot(
            [-1, *values, 1], [1, *steps, 0] if values else [0, 0],
            drawstyle="steps-post", color=colour, lw=1.4, label=LABELS[leak.rule],
        )  # fmt: skip
    for level in LEVELS:
        axes.axvline(level, color="0.55", lw=0.8, ls="--", zorder=1)
    start = min(math.floor(10 * lowest - 0.2) / 10, min(LEVELS) - 0.1)
    axes.set(xlim=(start, 1), ylim=(-0.02, 1.02))
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=(1, 2, 5, 10)))
    axes.set_xlabel("similarity of the nearest group in training")
    axes.set_ylabel("share of test groups above it")
    axes.grid()
    axes.legend(loc="lower left", bbox_to_anchor=(-0.01, 1.0))


def _block(figure: Figure, left: int, leak: Leak, example: Example | None, colour: str) -> None:
    """Draw the pictures of one split, its left edge at `left` pixels."""
    width, height = figure.get_size_inches() * figure.dpi
    said = "nothing in training is comparable"
    if example is not None:
        said = f"test group of median similarity ({example.found.similarity:.3f}), and its nearest"
    for text, above, ink in ((LABELS[leak.rule], 34, colour), (said, 4, "black")):
        place = (left + MARGIN_PIXELS) / width, 1 - (HEAD_PIXELS - above) / height
        figure.text(*place, text, va="bottom", fontsize=8, color=ink)
    if example is None:
        return
    found = example.found
    lines = (
        (f"test: {found.group.group}", found.group.modalities, example.group),
        (f"nearest: {found.nearest.group}", found.nearest.modalities, example.nearest),
    )
    top = HEIGHT_PIXELS - HEAD_PIXELS
    for name, modalities, images in lines:
        bottom = top - TITLE_PIXELS - CELL_PIXELS
        _line(figure, (left, bottom), name, modalities, images)
        top = bottom - GAP_PIXELS


def _line(
    figure: Figure,
    corner: tuple[int, int],
    name: str,
    modalities: Sequence[str],
    images: Sequence[np.ndarray],
) -> None:
    width, height = figure.get_size_inches() * figure.dpi
    left, bottom = corner
    name_line(figure, name, left, bottom, CELL_PIXELS)
    for column, (modality, image) in enumerate(zip(modalities, images, strict=True)):
        start = left + MARGIN_PIXELS + column * (CELL_PIXELS + GAP_PIXELS)
        axes = figure.add_axes(
            (start / width, bottom / height, CELL_PIXELS / width, CELL_PIXELS / height)
        )
        axes.set_axis_off()
        axes.imshow(image, cmap="gray", vmin=0, vmax=255, interpolation="auto")
        axes.set_title(modality, fontsize=FONT_POINTS, pad=3)
