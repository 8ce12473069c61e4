"""Draw Fig. 2 at one scale: sources, low resolution, every method and the truth.

Reads: the split, sources, low-resolution sources, truth and fused images. Writes: a PNG.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from tfsdiff.data.dataset import select
from tfsdiff.data.images import Pixels, read
from tfsdiff.data.slices import Group, image_path
from tfsdiff.params import Report, Section
from tfsdiff.report.figures import Panel, Zoom, figure2
from tfsdiff.report.labels import label, table1_rows
from tfsdiff.stages.support import cli
from tfsdiff.stages.support.choose import spread


class Params(Section):
    """What this stage may see."""

    enlargers: tuple[str, ...]
    fusers: tuple[str, ...]
    joint: tuple[str, ...]
    report: Report


def figure(
    params: Params,
    *,
    scale: int,
    split: Path,
    sources: Path,
    low: Path,
    truth: Path,
    joint: Path,
    cascades: Path,
    out: Path,
) -> None:
    """Draw the figure of one scale to `out`; the methods are the ranked rows of Table 1."""
    rows, _ = table1_rows(params.joint, params.fusers, params.enlargers, params.report.controls)
    panels = []
    for group in spread(select(sources, split, "test"), params.report.figure2_groups):
        pictures = [
            *_images(group, sources, "{}"),
            *_images(group, low, f"{{}} ×1/{scale}"),
            *_fused(group, rows, (joint, cascades)),
            ("truth", read(truth / f"{group.group}.png")),
        ]
        side = len(pictures[0][1])
        zoom = Zoom(top=side * 3 // 8, left=side // 4, side=side // 4)
        panels.append(Panel(group.group, tuple(pictures), zoom))
    figure2(panels, out)


def _images(group: Group, folder: Path, title: str) -> Iterator[tuple[str, Pixels]]:
    for modality in group.modalities:
        yield title.format(modality), read(image_path(folder, group, modality))


def _fused(
    group: Group, rows: Sequence[str], folders: Sequence[Path]
) -> Iterator[tuple[str, Pixels]]:
    for row in rows:
        folder = next((folder for folder in folders if (folder / row).is_dir()), folders[0])
        yield label(row), read(folder / row / f"{group.group}.png")


if __name__ == "__main__":
    cli.run(figure)
