"""Draw Fig. 2 at one scale: sources, low resolution, every method and the truth.

Reads: the split, sources, low-resolution sources, truth and fused images. Writes: a PNG.
"""

from collections.abc import Iterator
from pathlib import Path

from tfsdiff.data.dataset import select
from tfsdiff.data.images import Pixels, read
from tfsdiff.data.slices import Group, image_path
from tfsdiff.evaluation.rows import Roles, table1_rows
from tfsdiff.params import Report
from tfsdiff.report.figures.fusion_grid import Panel, Zoom, draw_fusion_grid
from tfsdiff.report.labels import row_label
from tfsdiff.stages.support import cli
from tfsdiff.stages.support.choose import spread


class Params(Roles):
    """The parameters that this stage may read."""

    report: Report


def figure(
    params: Params,
    *,
    scale: int,
    split: Path,
    sources: Path,
    low: Path,
    truth: Path,
    fused: Path,
    out: Path,
) -> None:
    """Draw the figure of one scale to `out`; the methods are the ranked rows of Table 1."""
    rows, _ = table1_rows(scale, params, params.report.controls)
    panels = []
    for group in spread(select(sources, split, "test"), params.report.figure2_groups):
        file = f"{group.group}.png"
        pictures = [
            *_images(group, sources, "{}"),
            *_images(group, low, f"{{}} ×1/{scale}"),
            *((row_label(row), read(fused / row.folder / file)) for row in rows),
            ("truth", read(truth / file)),
        ]
        side = len(pictures[0][1])
        zoom = Zoom(top=side * 3 // 8, left=side // 4, side=side // 4)
        panels.append(Panel(group.group, tuple(pictures), zoom))
    draw_fusion_grid(panels, out)


def _images(group: Group, folder: Path, title: str) -> Iterator[tuple[str, Pixels]]:
    for modality in group.modalities:
        yield title.format(modality), read(image_path(folder, group, modality))


if __name__ == "__main__":
    cli.run(figure)
