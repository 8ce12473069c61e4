"""A small writer of diagrams as SVG: boxes, arrows and text on a card of its own.

The card makes a diagram readable on light and dark pages. Text stays text. The same calls give the
same bytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH = 480  # units; the size of text is chosen for a phone, which shows some 330 pixels
SCALE = 1.3  # pixels a unit where there is room
MARGIN = 12
FONT = "'Helvetica Neue', Helvetica, Arial, 'DejaVu Sans', sans-serif"
INK, MUTED, CARD, RIM = "#16313b", "#4d6672", "#f8fafb", "#c3d0d6"
LARGE, SMALL = 14, 12.5
LEADING = 16

# Fill and stroke of what a box stands for.
KINDS = {
    "image": ("#ffffff", "#20586b"),
    "convolution": ("#d8eaf2", "#3b7489"),
    "attention": ("#e7dff4", "#7657a5"),
    "detail": ("#dcf0df", "#438752"),
    "gate": ("#fceacb", "#a96d14"),
}
NARROW, WIDE = "fijlrt.,:;|'!()[] ×", "mwMW@%—"


@dataclass(frozen=True)
class Box:
    """A rectangle: where arrows begin and end."""

    x: float
    y: float
    width: float
    height: float

    @property
    def left(self) -> tuple[float, float]:
        """Middle of the left side."""
        return self.x, self.y + self.height / 2

    @property
    def right(self) -> tuple[float, float]:
        """Middle of the right side."""
        return self.x + self.width, self.y + self.height / 2

    @property
    def top(self) -> tuple[float, float]:
        """Middle of the upper side."""
        return self.x + self.width / 2, self.y

    @property
    def bottom(self) -> tuple[float, float]:
        """Middle of the lower side."""
        return self.x + self.width / 2, self.y + self.height


class Drawing:
    """A diagram of `WIDTH` units.

    Args:
        name: prefix of the identifiers in the file.
        title: what a screen reader says; also the heading.
        caption: a line below the heading.
    """

    def __init__(self, name: str, title: str, caption: str = "") -> None:
        self.name, self.title, self.caption = name, title, caption
        self.parts: list[str] = []
        self.heads: dict[str, int] = {}
        self.text(MARGIN, 26, title, 16, bold=True)
        if caption:
            self.text(MARGIN, 45, caption, SMALL, colour=MUTED)

    def box(self, x: float, y: float, width: float, lines: Sequence[str], kind: str) -> Box:
        """A box with a heading and lines below it; its height follows from the lines.

        Raises:
            ValueError: a line is wider than the box.
        """
        fill, stroke = KINDS[kind]
        height = LEADING * len(lines) + 11
        self.parts.append(
            f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="5" '
            f'fill="{fill}" stroke="{stroke}" stroke-width="1.2"/>'
        )
        for number, line in enumerate(lines):
            size, bold = (LARGE, True) if number == 0 else (SMALL, False)
            if extent(line, size, bold) > width - 6:
                raise ValueError(f"{line!r} is wider than its box of {width:g}")
            middle = x + width / 2
            self.text(middle, y + 19 + LEADING * number, line, size, bold=bold, anchor="middle")
        return Box(x, y, width, height)

    def text(
        self,
        x: float,
        y: float,
        text: str,
        size: float = SMALL,
        bold: bool = False,
        anchor: str = "start",
        colour: str = INK,
    ) -> None:
        """A line of text, whose baseline is at `y`."""
        weight = ' font-weight="600"' if bold else ""
        place = "" if anchor == "start" else f' text-anchor="{anchor}"'
        self.parts.append(
            f'<text x="{x:g}" y="{y:g}" font-size="{size:g}" fill="{colour}"{weight}{place}>'
            f"{escape(text)}</text>"
        )

    def note(self, y: float, lines: Sequence[str]) -> float:
        """Lines of smaller text from margin to margin; returns where the next may begin.

        Raises:
            ValueError: a line does not fit.
        """
        for line in lines:
            if extent(line, 12, False) > WIDTH - 1.5 * MARGIN:
                raise ValueError(f"{line!r} is wider than the drawing")
            self.text(MARGIN, y + 12, line, 12, colour=MUTED)
            y += 15.5
        return y

    def arrow(
        self,
        *points: tuple[float, float],
        dashed: bool = False,
        colour: str = INK,
    ) -> None:
        """A line through `points`, with a head at its end."""
        path = " ".join(f"{'L' if i else 'M'}{x:g} {y:g}" for i, (x, y) in enumerate(points))
        style = ' stroke-dasharray="4 3"' if dashed else ""
        self.parts.append(
            f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="1.3"{style} '
            f'marker-end="url(#{self._head(colour)})"/>'
        )

    def _head(self, colour: str) -> str:
        """Identifier of the arrow head of a colour."""
        number = self.heads.setdefault(colour, len(self.heads))
        return f"{self.name}-head-{number}"

    def sign(self, x: float, y: float, sign: str) -> Box:
        """A circle with a sign of an operation in it."""
        radius = 10
        self.parts.append(
            f'<circle cx="{x:g}" cy="{y:g}" r="{radius}" fill="#ffffff" stroke="{INK}" '
            'stroke-width="1.2"/>'
        )
        self.text(x, y + 5, sign, 15, anchor="middle")
        return Box(x - radius, y - radius, 2 * radius, 2 * radius)

    def frame(
        self, x: float, y: float, width: float, height: float, label: str, indent: float = 6
    ) -> None:
        """A dashed frame around parts that belong together, labelled below its upper side."""
        self.parts.append(
            f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="7" '
            f'fill="none" stroke="{MUTED}" stroke-width="1" stroke-dasharray="3 3"/>'
        )
        self.text(x + indent, y + 15, label, 12, colour=MUTED)

    def legend(self, y: float, entries: Sequence[tuple[str, str]]) -> float:
        """Names of kinds of boxes in a line; returns where the next thing may begin."""
        x = MARGIN
        for kind, label in entries:
            fill, stroke = KINDS[kind]
            step = 16 + extent(label, 12, False) + 16
            if x + step - 16 > WIDTH - MARGIN:
                x, y = MARGIN, y + 18
            self.parts.append(
                f'<rect x="{x:g}" y="{y + 2:g}" width="11" height="11" rx="2" fill="{fill}" '
                f'stroke="{stroke}"/>'
            )
            self.text(x + 16, y + 12, label, 12, colour=MUTED)
            x += round(step)
        return y + 20

    def svg(self, height: float) -> str:
        """The file, `height` units high."""
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" '
            f'width="{WIDTH * SCALE:g}" height="{height * SCALE:g}" role="img" '
            f'aria-labelledby="{self.name}-title" font-family="{FONT}">',
            f'<title id="{self.name}-title">{escape(self.title)}</title>',
            "<defs>",
            *(
                f'<marker id="{self._head(colour)}" viewBox="0 0 10 10" refX="9" refY="5" '
                'markerWidth="7" markerHeight="7" orient="auto">'
                f'<path d="M0 1L9 5L0 9z" fill="{colour}"/></marker>'
                for colour in self.heads
            ),
            "</defs>",
            f'<rect x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1:g}" rx="8" '
            f'fill="{CARD}" stroke="{RIM}"/>',
        )
        return "\n".join([*head, *self.parts, "</svg>", ""])


def extent(text: str, size: float, bold: bool) -> float:
    """About how wide a line of text is."""
    units = sum(0.33 if c in NARROW else 0.88 if c in WIDE else 0.535 for c in text)
    return size * units * (1.06 if bold else 1)
