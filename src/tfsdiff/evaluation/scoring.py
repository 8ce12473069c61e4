"""Scoring many rows of images at once, by worker processes."""

import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from multiprocessing import get_context
from multiprocessing.context import BaseContext
from pathlib import Path

import pandas as pd
import torch
from torch import nn

from tfsdiff.common.errors import InputError
from tfsdiff.common.progress import progress
from tfsdiff.core.tensors import levels
from tfsdiff.data.dataset import load_batch
from tfsdiff.data.images import read, to_unit
from tfsdiff.data.slices import Group
from tfsdiff.evaluation.rows import Row
from tfsdiff.evaluation.scores import tabulate
from tfsdiff.metrics import lpips
from tfsdiff.metrics.score import Scores, score

Map = Callable[[Callable[[Group], list[Scores]], Sequence[Group]], Iterator[list[Scores]]]


@dataclass(frozen=True)
class Images:
    """The images scored, and their references.

    Attributes:
        rows: whose images are scored.
        fused: folder of all fused images.
        sources: image folder of the high-resolution sources.
        truth: folder of the ground truth.
        lpips_backbone: see `tfsdiff.metrics.lpips.load`.
    """

    rows: tuple[Row, ...]
    fused: Path
    sources: Path
    truth: Path
    lpips_backbone: str


def score_rows(
    images: Images, groups: Sequence[Group], workers: int, title: str
) -> dict[str, pd.DataFrame]:
    """Score every row's images of some groups.

    One worker scores all rows of one group, with one thread: the sources are read once, and the
    number of workers changes no digit.

    Args:
        images: where they are.
        groups: test groups.
        workers: number of processes; 1: none beside this one.
        title: of the progress bar.

    Returns:
        By the name of the row, in the order of `images.rows`: its scores (`scores.tabulate`).

    Raises:
        InputError: an image is missing, unreadable or not of the size of the sources.
    """
    _check_there(images, groups)
    names = [group.group for group in groups]
    with _mapping(min(workers, len(groups))) as map_groups:
        parts = map_groups(partial(_score_group, images), groups)
        found = list(progress(parts, title, total=len(groups)))
    tables = {}
    for number, row in enumerate(images.rows):
        scores = [part[number] for part in found]
        empty = {name: why for one in scores for name, why in one.empty.items()}
        values = [one.images[0] for one in scores]
        tables[row.name] = tabulate(row.name, row.scale, names, values, empty)
    return tables


@contextmanager
def _mapping(workers: int) -> Iterator[Map]:
    """Give a function like `map`, whose calls run in `workers` processes and keep their order."""
    if workers == 1:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            yield map
        finally:
            torch.set_num_threads(threads)
        return
    with ProcessPoolExecutor(workers, _context(), _start_worker) as pool:
        try:
            yield pool.map
        except BrokenProcessPool:
            raise InputError(
                "a process that scored images was killed, as happens where memory is short; "
                "free some, or allow fewer processors"
            ) from None


def _context() -> BaseContext:
    """How workers start: on Linux as copies of this process, which need not import PyTorch again.

    That is as safe as in PyTorch's own data loader: a worker computes with one thread, and so never
    waits for threads that were not copied with the process.
    """
    return get_context("fork" if sys.platform == "linux" else "spawn")


def _start_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends its workers
    torch.set_num_threads(1)


def _score_group(images: Images, group: Group) -> list[Scores]:
    """Scores of one group's image in every row."""
    network = _network(images.lpips_backbone)
    reference = load_batch(images.sources, [group], images.truth)
    sources, truth = levels(reference.sources), levels(reference.truth)
    found = []
    for row in images.rows:
        path = _path(images, row, group)
        image = to_unit(read(path))[None]
        if image.shape != truth.shape:
            raise InputError(f"{path}: not of the size of {images.sources}; fuse it again")
        found.append(score(levels(image), sources, truth, network))
    return found


@cache  # once a worker
def _network(backbone: str) -> nn.Module | lpips.Unavailable:
    return lpips.load(backbone)


def _check_there(images: Images, groups: Sequence[Group]) -> None:
    paths = [_path(images, row, group) for row in images.rows for group in groups]
    missing = [path for path in paths if not path.is_file()]
    if missing:
        raise InputError(
            f"{missing[0]}: does not exist ({len(missing)} of {len(paths)} fused images are "
            "missing); run the stages fuse and sample"
        )


def _path(images: Images, row: Row, group: Group) -> Path:
    return images.fused / row.folder / f"{group.group}.png"
