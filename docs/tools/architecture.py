"""Draw the layers of the package as SVG: `python docs/tools/architecture.py`.

It writes docs/figures/architecture.svg. The layers are those of the import contract in
pyproject.toml, and the purpose of a package is the first line of its docstring. `--check` writes
nothing and exits 1 if the file would change.
"""

import argparse
import ast
import sys
import textwrap
import tomllib
from pathlib import Path

from drawing import KINDS, LARGE, LEADING, MARGIN, MUTED, SMALL, WIDTH, Drawing, extent

ROOT = Path(__file__).resolve().parents[2]
FIGURE = ROOT / "docs/figures/architecture.svg"
LEFT, RIGHT = MARGIN + 22, WIDTH - MARGIN  # of the bands; the arrow stands left of them
PURPOSE = LEFT + 104  # where purposes begin
GAP = 8  # between bands
# What the colour of a band stands for, by its first package.
COLOURS = {"cli": "image", "report": "gate", "evaluation": "gate", "methods": "attention"}
COLOURS |= dict.fromkeys(("training", "acquisition", "diffusion"), "convolution")
REST = "detail"


def layers(root: Path = ROOT) -> list[list[str]]:
    """Packages of each layer, from the one that may import all others downwards."""
    settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    (contract,) = (one for one in contracts if one["type"] == "layers")
    return [[name.strip() for name in layer.split("|")] for layer in contract["layers"]]


def purpose(name: str, root: Path = ROOT) -> str:
    """First line of the docstring of a package or module, as plain text."""
    path = root / "src/tfsdiff" / name / "__init__.py"
    path = path if path.is_file() else path.parent.with_suffix(".py")
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return text.partition("\n")[0].replace("`", "").rstrip(".")


def draw() -> str:
    """The diagram as SVG."""
    drawing = Drawing(
        "architecture",
        "Layers of src/tfsdiff",
        "A package imports from layers below it, never from those above or beside it",
    )
    top = y = 60.0
    for layer in layers():
        rows = [(name, _lines(purpose(name))) for name in layer]
        height = sum(_height(lines) for _, lines in rows) + 10
        fill, stroke = KINDS[COLOURS.get(layer[0], REST)]
        drawing.parts.append(
            f'<rect x="{LEFT:g}" y="{y:g}" width="{RIGHT - LEFT:g}" height="{height:g}" rx="5" '
            f'fill="{fill}" stroke="{stroke}" stroke-width="1.2"/>'
        )
        line = y + 5
        for name, lines in rows:
            drawing.text(LEFT + 9, line + 15, name, LARGE, bold=True)
            for number, text in enumerate(lines):
                drawing.text(PURPOSE, line + 15 + LEADING * number, text, SMALL)
            line += _height(lines)
        y += height + GAP
    x = MARGIN + 8
    drawing.arrow((x, top), (x, y - GAP), colour=MUTED)
    drawing.text(MARGIN, y + 10, "imports", 12, colour=MUTED)
    return drawing.svg(y + 20)


def _lines(text: str) -> list[str]:
    room = RIGHT - PURPOSE - 8
    for width in range(80, 20, -1):
        lines = textwrap.wrap(text, width)
        if all(extent(line, SMALL, False) <= room for line in lines):
            return lines
    raise ValueError(f"{text!r} has a word wider than {room}")


def _height(lines: list[str]) -> float:
    return LEADING * len(lines) + 6


def main(arguments: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    parser = argparse.ArgumentParser(description="Draw the layers of the package as SVG.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if it differs")
    check = parser.parse_args(arguments).check
    text = draw()
    if FIGURE.is_file() and FIGURE.read_text(encoding="utf-8") == text:
        return 0
    state = "is out of date: run python docs/tools/architecture.py" if check else "written"
    print(f"{FIGURE.name} {state}")
    if not check:
        FIGURE.parent.mkdir(parents=True, exist_ok=True)
        FIGURE.write_text(text, encoding="utf-8")
    return int(check)


if __name__ == "__main__":
    sys.exit(main())
