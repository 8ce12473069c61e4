"""What all figures are drawn on, and how pictures of images are placed and named."""

import contextlib
import math
from collections.abc import Iterator
from pathlib import Path

import matplotlib.style
from matplotlib.figure import Figure

from tfsdiff.common.files import replacing

STYLE = Path(__file__).parents[1] / "tfsdiff.mplstyle"
DPI = 200
GAP_PIXELS = 6  # between pictures
MARGIN_PIXELS = 44  # at the left of a line of pictures, for its name
FONT_POINTS = 6.5  # of the names of pictures
CHARACTER_PIXELS = 11.5  # mean width of a character in that font


@contextlib.contextmanager
def canvas(path: Path, width: int, height: int) -> Iterator[Figure]:
    """A figure of so many pixels, saved to `path`; the user's matplotlibrc is ignored."""
    with matplotlib.style.context(["default", STYLE], after_reset=True):
        figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI)
        yield figure
        with replacing(path) as temporary:
            # By default the file names the version of matplotlib.
            figure.savefig(temporary, format="png", dpi=DPI, metadata={"Software": None})


def name_line(figure: Figure, name: str, left: float, bottom: float, side: int) -> None:
    """Write the name of a line of pictures of `side` pixels upwards into the margin at its left.

    Args:
        figure: to write on.
        name: broken into two lines where it is too long.
        left: edge of the margin, in pixels.
        bottom: of the line, in pixels.
        side: of the pictures.
    """
    width, height = figure.get_size_inches() * DPI
    place = (left + MARGIN_PIXELS / 2) / width, (bottom + side / 2) / height
    figure.text(
        *place, wrap_title(name, side), rotation=90, ha="center", va="center", fontsize=FONT_POINTS
    )


def wrap_title(title: str, side: int) -> str:
    """Break a title into at most two lines that fit above a picture of `side` pixels."""
    room = math.floor(side / CHARACTER_PIXELS)
    if len(title) <= room:
        return title
    breaks = [i for i, character in enumerate(title) if character == " "]
    best = min(breaks, key=lambda i: max(i, len(title) - i - 1), default=None)
    lines = [title] if best is None else [title[:best], title[best + 1 :]]
    return "\n".join(line if len(line) <= room else line[: room - 1] + "…" for line in lines)
