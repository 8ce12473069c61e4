"""Helpers shared by the stages that fuse high-resolution sources."""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from torch import Tensor

from tfsdiff.common.files import replacing
from tfsdiff.common.progress import progress
from tfsdiff.core import seeding
from tfsdiff.data.dataset import load_batch, select
from tfsdiff.evaluation.rows import FULL_RESOLUTION, Row
from tfsdiff.methods.base import Fuser
from tfsdiff.stages.support.image_folders import write_fused


class Params(Protocol):
    """The parameters that name the sources and seed the noise."""

    enlargers: tuple[str, ...]
    scales: tuple[int, ...]
    seed: int


def write_all(
    name: str, fuser: Fuser, params: Params, split: Path, sources: Path, enlarged: Path, out: Path
) -> None:
    """Fuse the test groups in `sources` and in every folder of `enlarged`, to folders in `out`.

    Args:
        name: of the fuser.
        fuser: fuses three sources of one size.
        params: of the stage.
        split: which groups are for the test.
        sources: image folder at full resolution.
        enlarged: folder of the image folders xSCALE/ENLARGER.
        out: folder, replaced as a whole.
    """
    found = {Row(name, None, FULL_RESOLUTION): sources}
    found |= {
        Row(name, enlarger, scale): enlarged / f"x{scale}" / enlarger
        for scale in params.scales
        for enlarger in params.enlargers
    }
    with replacing(out) as temporary:
        temporary.mkdir()
        for row, folder in found.items():
            images = _fused(name, fuser, params.seed, split, folder, row.name)
            write_fused(temporary / row.folder.name, images)


def _fused(
    name: str, fuser: Fuser, seed: int, split: Path, sources: Path, title: str
) -> Iterator[tuple[str, Tensor]]:
    for group in progress(select(sources, split, "test"), title):
        # The same noise for a group, whatever enlarged it.
        noise = seeding.generator(seed, "fuse", name, group.group)
        yield group.group, fuser.fuse(load_batch(sources, [group]), [noise])[0]
