"""Draw the graph of the pipeline, as dvc.yaml has it, to SVG.

Stages that differ only in what they are applied to (train and train_ablation, fuse and
fuse_learned) are one box. Of the edges those are drawn that no longer way implies. A stage belongs
to the band of the folder that its first output lies in. Rows and columns follow from the edges.
"""

import itertools
import math
import random
import sys
from collections import defaultdict
from collections.abc import Iterable
from html import escape
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "workflow"))

from pipeline import Pipeline

BANDS = {  # folders of the first output: name, ground, line
    "data": (("data/",), "#e9f2f9", "#2f7cb3"),
    "methods": (
        ("results/models/", "results/enlarged/", "results/fused/"), "#fdf1e4", "#c8690f"),
    "evaluation": (
        ("results/scores/", "results/quality/", "results/uncertainty/"), "#e7f5ee", "#13855f"),
    "report": (("results/report/",), "#f2ecf8", "#7d52a8"),
}  # fmt: skip
SUFFIXES = ("_ablation", "_learned")
WIDTH, MARGIN, LABEL = 640, 12, 38  # LABEL: height of a band's name
BOX, TALL, ROW, PER_ROW = 148, 44, 86, 3
FONT = "'DejaVu Sans', Verdana, sans-serif"
INK = "#1f2328"

Edge = tuple[str, str]


def base(stage: str) -> str:
    """Name of the box of a stage."""
    for suffix in SUFFIXES:
        stage = stage.removesuffix(suffix)
    return stage


def read(root: Path) -> tuple[dict[str, str], set[Edge]]:
    """Boxes with their band, in the order of dvc.yaml, and all edges between them."""
    pipeline = Pipeline(root)
    made = {path: stage.name for stage in pipeline for path in stage.all_outputs()}
    bands: dict[str, str] = {}
    edges = set()
    for stage in pipeline:
        name = base(stage.name)
        if name not in bands:
            bands[name] = _band(stage.name, stage.outputs[0])
        for cell in stage.cells():
            for path in pipeline.inputs(stage.name)(cell):
                if path in made and base(made[path]) != name:
                    edges.add((base(made[path]), name))
    return bands, edges


def _band(stage: str, output: str) -> str:
    for name, (folders, _, _) in BANDS.items():
        if output.startswith(folders):
            return name
    raise ValueError(f"{stage}: {output} lies in no folder of docs/tools/graph.py")


def reduced(edges: Iterable[Edge]) -> list[Edge]:
    """Edges that no longer way implies, sorted."""
    after = defaultdict(set)
    for start, end in edges:
        after[start].add(end)

    def reached(start: str) -> set[str]:
        found: set[str] = set()
        waiting = list(after[start])
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting += after[name]
        return found

    return sorted(
        (start, end)
        for start in list(after)
        for end in after[start]
        if not any(end in reached(other) for other in after[start] - {end})
    )


def rows(bands: dict[str, str], edges: list[Edge]) -> list[list[str]]:
    """Boxes by row from above: band by band, in each by the longest way within it."""
    found = []
    for band in BANDS:
        inside = [name for name in bands if bands[name] == band]
        depth = dict.fromkeys(inside, 0)
        for _ in inside:
            for start, end in edges:
                if start in depth and end in depth:
                    depth[end] = max(depth[end], depth[start] + 1)
        for level in sorted(set(depth.values())):
            level_names = [name for name in inside if depth[name] == level]
            found += [level_names[i : i + PER_ROW] for i in range(0, len(level_names), PER_ROW)]
    return found


def layout(table: list[list[str]], edges: list[Edge]) -> list[list[str]]:
    """Each edge's way through the rows; adds to `table` a point in each row that it crosses.

    Edges into one box share their points, so that they are one line from the first of these on.
    """
    level = {name: i for i, row in enumerate(table) for name in row}
    ways = []
    for start, end in edges:
        crossed = range(level[start] + 1, level[end])
        points = [f"{i}>{end}" for i in crossed]
        for i, point in zip(crossed, points, strict=True):
            if point not in table[i]:
                table[i].append(point)
        ways.append([start, *points, end])
    return ways


def neighbours(ways: list[list[str]]) -> dict[str, list[str]]:
    """What each member of a row is joined with in the rows beside it."""
    near: dict[str, dict[str, None]] = defaultdict(dict)
    for way in ways:
        for upper, lower in itertools.pairwise(way):
            near[upper][lower] = near[lower][upper] = None
    return {name: list(others) for name, others in near.items()}


def ordered(table: list[list[str]], ways: list[list[str]]) -> list[list[str]]:
    """Sort each row so that few edges cross, from several random starts."""
    near = neighbours(ways)
    tries = []
    for seed in range(200):
        drawn = random.Random(seed)
        now = [drawn.sample(row, len(row)) for row in table]
        for sweep in range(16):
            _sweep(now, near, sweep % 2 == 0)
        tries.append(now)
    return min(tries, key=lambda one: (_crossings(one, ways), _length(one, ways), _left(one)))


def _sweep(table: list[list[str]], near: dict[str, list[str]], down: bool) -> None:
    """Sort each row by the middles of what its members are joined with in the row before."""
    order = range(1, len(table)) if down else range(len(table) - 2, -1, -1)
    for i in order:
        before = table[i - 1 if down else i + 1]
        place = {name: (k + 0.5) / len(before) for k, name in enumerate(before)}
        own = {name: (k + 0.5) / len(table[i]) for k, name in enumerate(table[i])}
        middles = {}
        for name in table[i]:
            found = [place[other] for other in near[name] if other in place]
            middles[name] = math.fsum(found) / len(found) if found else own[name]
        table[i].sort(key=middles.__getitem__)


def _segments(table: list[list[str]], ways: list[list[str]]) -> list[tuple[int, float, float]]:
    place = {name: (i, (k + 0.5) / len(row)) for i, row in enumerate(table)
             for k, name in enumerate(row)}  # fmt: skip
    joined = dict.fromkeys(pair for way in ways for pair in itertools.pairwise(way))
    return [(place[a][0], place[a][1], place[b][1]) for a, b in joined]


def _crossings(table: list[list[str]], ways: list[list[str]]) -> int:
    pairs = itertools.combinations(_segments(table, ways), 2)
    return sum((a[1] - b[1]) * (a[2] - b[2]) < 0 for a, b in pairs if a[0] == b[0])


def _length(table: list[list[str]], ways: list[list[str]]) -> float:
    return round(math.fsum(abs(a - b) for _, a, b in _segments(table, ways)), 6)


def _left(table: list[list[str]]) -> float:
    """How far on the left edges pass rows: there are the names of the bands."""
    return sum(len(row) - k for row in table for k, name in enumerate(row) if ">" in name)


def _room(name: str) -> float:
    return 16 if ">" in name else BOX + 14


def columns(table: list[list[str]], ways: list[list[str]]) -> dict[str, float]:
    """Horizontal middle of everything: drawn towards what it is joined with, in its row's order."""
    near = neighbours(ways)
    x = {}
    for row in table:
        at = (WIDTH - sum(map(_room, row))) / 2
        for name in row:
            x[name] = at + _room(name) / 2
            at += _room(name)
    for _ in range(80):
        for row in table:
            for name in row:
                wanted = [x[other] for other in near[name]]
                x[name] += 0.5 * (math.fsum(wanted) / len(wanted) - x[name])
            _apart(row, x)
    return x


def _apart(row: list[str], x: dict[str, float]) -> None:
    """Move the members of a row apart so far that none overlaps, within the width."""
    for _ in range(60):
        for left, right in itertools.pairwise(row):
            lack = (_room(left) + _room(right)) / 2 - (x[right] - x[left])
            if lack > 0:
                x[left] -= lack / 2
                x[right] += lack / 2
        for name in row:
            edge = 1.5 * MARGIN + _room(name) / 2
            x[name] = min(max(x[name], edge), WIDTH - edge)


def draw(root: Path) -> str:
    """SVG of the pipeline in `root`."""
    bands, every = read(root)
    edges = reduced(every)
    table = rows(bands, edges)
    ways = layout(table, edges)
    table = ordered(table, ways)
    x = columns(table, ways)
    y, frames, top = {}, [], float(MARGIN)
    for band in BANDS:
        own = [row for row in table if any(bands.get(name) == band for name in row)]
        height = LABEL + ROW * len(own) - (ROW - TALL) + 22
        frames.append((band, top, height))
        for i, row in enumerate(own):
            y |= dict.fromkeys(row, top + LABEL + ROW * i + TALL / 2 + 4)
        top += height + 12
    parts = [
        f'<rect width="{WIDTH}" height="{top:.0f}" rx="12" fill="#ffffff"/>',
        *(_frame(*frame) for frame in frames),
        *(_way(way, x, y, BANDS[bands[way[0]]][2], ways) for way in ways),
        *(_name(band, at) for band, at, _ in frames),
        *(_box(name, x[name], y[name], bands[name]) for name in bands),
    ]
    text = ", ".join(f"{band}: {' '.join(n for n in bands if bands[n] == band)}" for band in BANDS)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top:.0f}" '
        f'width="{WIDTH}" height="{top:.0f}" role="img" font-family="{FONT}">'
    )
    return "\n".join([head, f"<title>Stages of the pipeline. {text}</title>", *parts, "</svg>\n"])


def _frame(band: str, top: float, height: float) -> str:
    return (
        f'<rect x="{MARGIN}" y="{top:.0f}" width="{WIDTH - 2 * MARGIN}" height="{height:.0f}" '
        f'rx="10" fill="{BANDS[band][1]}"/>'
    )


def _name(band: str, top: float) -> str:
    """The name of a band, with a rim that sets it off from edges."""
    _, ground, line = BANDS[band]
    return (
        f'<text x="{MARGIN + 14}" y="{top + 24:.0f}" font-size="19" font-weight="bold" '
        f'fill="{line}" stroke="{ground}" stroke-width="7" paint-order="stroke">{band}</text>'
    )


def _box(name: str, x: float, y: float, band: str) -> str:
    line = BANDS[band][2]
    return (
        f'<rect x="{x - BOX / 2:.1f}" y="{y - TALL / 2:.1f}" width="{BOX}" height="{TALL}" rx="8" '
        f'fill="#ffffff" stroke="{line}" stroke-width="2"/>\n<text x="{x:.1f}" y="{y + 7:.1f}" '
        f'font-size="20" text-anchor="middle" fill="{INK}">{escape(name)}</text>'
    )


def _way(
    way: list[str], x: dict[str, float], y: dict[str, float], colour: str, ways: list[list[str]]
) -> str:
    """One edge: it leaves and enters boxes beside the others that do, and passes rows upright."""
    start, end = way[0], way[-1]
    leaving = sorted({w[1] for w in ways if w[0] == start}, key=x.__getitem__)
    coming = sorted({w[-2] for w in ways if w[-1] == end}, key=x.__getitem__)
    half = TALL / 2
    points = [(x[start] + _spread(leaving.index(way[1]), len(leaving)), y[start] + half)]
    for name in way[1:-1]:
        points += [(x[name], y[name] - half), (x[name], y[name] + half)]
    points.append((x[end] + _spread(coming.index(way[-2]), len(coming)), y[end] - half - 8))
    path = f"M{points[0][0]:.1f} {points[0][1]:.1f}"
    for (ax, ay), (bx, by) in itertools.pairwise(points):
        bend = (by - ay) * 0.55
        path += f"C{ax:.1f} {ay + bend:.1f} {bx:.1f} {by - bend:.1f} {bx:.1f} {by:.1f}"
    tip, top = points[-1]
    return (
        f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="2"/>\n'
        f'<path d="M{tip - 6:.1f} {top - 2:.1f}h12l-6 10z" fill="{colour}"/>'
    )


def _spread(place: int, count: int) -> float:
    return (place - (count - 1) / 2) * min(26, (BOX - 40) / max(count - 1, 1))
