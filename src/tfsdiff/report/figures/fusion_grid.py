"""Figure 2: sources, low resolution, every method's result and the truth, side by side."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from tfsdiff.report.figures.canvas import (
    DPI,
    FONT_POINTS,
    GAP_PIXELS,
    MARGIN_PIXELS,
    canvas,
    name_line,
    wrap_title,
)

WIDTH_PIXELS = (1600, 2400)
CELL_PIXELS = 256  # side of a picture where the width allows it
TITLE_PIXELS = 48  # two lines of text, above pictures that are named otherwise than those above
INSET_SHARE = 0.42  # of the side of a picture
ACCENT = "#ffb000"


@dataclass(frozen=True)
class Zoom:
    """A square to enlarge, in pixels of the largest picture: top left corner and side."""

    top: int
    left: int
    side: int


@dataclass(frozen=True)
class Panel:
    """One line of pictures.

    Attributes:
        name: of the group, shown at the left.
        pictures: (title, image) from left to right; images are square, uint8, (H, W) grey or
            (H, W, 3) RGB. Smaller ones are enlarged to the largest by repeating their pixels.
        zoom: what the insets show, if there are to be insets.
    """

    name: str
    pictures: tuple[tuple[str, np.ndarray], ...]
    zoom: Zoom | None = None


def draw_fusion_grid(panels: Sequence[Panel], path: Path) -> None:
    """Draw one line of pictures a panel to the PNG file `path`, 1600 to 2400 pixels wide.

    The figure of one scale shows for each group its three sources, their low-resolution versions,
    the result of every method, and the ground truth. All panels have as many pictures; a title is
    drawn above the first line, and again where it changes.
    """
    columns = len(panels[0].pictures) if panels else 0
    if columns == 0 or any(len(panel.pictures) != columns for panel in panels):
        raise ValueError("every panel must have the same number of pictures, at least one")
    titles = [[title for title, _ in panel.pictures] for panel in panels]
    titled = [True, *(upper != lower for upper, lower in pairwise(titles))]
    width, side = _layout(columns)
    height = sum(side + GAP_PIXELS + TITLE_PIXELS * shown for shown in titled) + GAP_PIXELS
    with canvas(path, width, height) as figure:
        top = height
        for panel, shown in zip(panels, titled, strict=True):
            top -= side + GAP_PIXELS + TITLE_PIXELS * shown
            _draw_panel(figure, panel, shown, top, side)


def _layout(columns: int) -> tuple[int, int]:
    """Width of the figure and side of a picture, in pixels."""
    least, most = ((limit - MARGIN_PIXELS) // columns - GAP_PIXELS for limit in WIDTH_PIXELS)
    side = max(min(CELL_PIXELS, most), least)
    return MARGIN_PIXELS + columns * (side + GAP_PIXELS), side


def _draw_panel(figure: Figure, panel: Panel, titled: bool, bottom: int, side: int) -> None:
    """Draw the pictures of one panel in a line whose lower edge is at `bottom` pixels."""
    width, height = figure.get_size_inches() * DPI
    name_line(figure, panel.name, 0, bottom, side)
    images = _equal_sides([image for _, image in panel.pictures])
    for column, ((title, _), image) in enumerate(zip(panel.pictures, images, strict=True)):
        left = MARGIN_PIXELS + column * (side + GAP_PIXELS)
        axes = figure.add_axes((left / width, bottom / height, side / width, side / height))
        _draw_picture(axes, image, panel.zoom)
        if titled:
            _draw_title(axes, wrap_title(title, side))


def _draw_title(axes: Axes, text: str) -> None:
    # A line at a time: only single lines can share a baseline with the titles beside them.
    for number, line in enumerate(reversed(text.split("\n"))):
        offset = (0, 4 + 1.2 * FONT_POINTS * number)
        axes.annotate(
            line,
            (0.5, 1.0),
            offset,
            "axes fraction",
            "offset points",
            ha="center",
            va="baseline",
            fontsize=FONT_POINTS,
        )


def _draw_picture(axes: Axes, image: np.ndarray, zoom: Zoom | None) -> None:
    axes.set_axis_off()
    _show(axes, image)
    if zoom is None:
        return
    corner = (zoom.left - 0.5, zoom.top - 0.5)
    axes.add_patch(Rectangle(corner, zoom.side, zoom.side, fill=False, color=ACCENT, linewidth=0.7))
    inset = axes.inset_axes((1 - INSET_SHARE, 0, INSET_SHARE, INSET_SHARE))
    inset.set(xticks=[], yticks=[])
    inset.spines[:].set(color=ACCENT, linewidth=1.0)
    _show(inset, image[zoom.top : zoom.top + zoom.side, zoom.left : zoom.left + zoom.side])


def _show(axes: Axes, image: np.ndarray) -> None:
    # "auto" repeats pixels when enlarging by much and filters otherwise.
    axes.imshow(image, interpolation="auto", aspect="equal")


def _equal_sides(images: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Check the images, enlarge the smaller ones by repeating pixels, and make all of them RGB."""
    for image in images:
        if image.dtype != np.uint8 or image.ndim not in (2, 3) or image.shape[2:] not in ((), (3,)):
            raise ValueError(
                f"pictures must be uint8, grey or RGB, not {image.dtype} {image.shape}"
            )
        if image.shape[0] != image.shape[1]:
            raise ValueError(f"pictures must be square, not {image.shape[0]} x {image.shape[1]}")
    sides = [len(image) for image in images]
    times = [max(sides) // side for side in sides]
    if any(time * side != max(sides) for time, side in zip(times, sides, strict=True)):
        raise ValueError(f"sides {sides} do not divide {max(sides)}")
    return [
        _as_rgb(image.repeat(time, 0).repeat(time, 1))
        for time, image in zip(times, images, strict=True)
    ]


def _as_rgb(image: np.ndarray) -> np.ndarray:
    return image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2)
