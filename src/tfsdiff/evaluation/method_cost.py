"""Measuring the cost of methods, each in separate processes."""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor

from tfsdiff.common.errors import InputError
from tfsdiff.core import backend, seeding
from tfsdiff.core.tensors import SOURCES
from tfsdiff.data.dataset import load_batch
from tfsdiff.data.slices import Group
from tfsdiff.evaluation import measure
from tfsdiff.evaluation.cost import Costs
from tfsdiff.evaluation.measure import Counts
from tfsdiff.methods.base import Method
from tfsdiff.params import Compute

Found = TypeVar("Found")


@dataclass(frozen=True)
class Task:
    """A method to measure.

    Attributes:
        row: name of what comes out; draws the noise.
        load: gives the method for the `backend` that it is called with.
        images: image folder that it takes its sources from.
        group: the group in it.
        enlarges: whether it enlarges the sources one by one, or fuses them.
        compute: device, threads and precision.
        repeats: calls that are timed.
        seed: of the noise.
    """

    row: str
    load: Callable[..., Method]
    images: Path
    group: Group
    enlarges: bool
    compute: Compute
    repeats: int
    seed: int


def measured(task: Task) -> Costs:
    """Measure a method; counting comes first, as that call fills the compilation caches on disk."""
    counts, (seconds, memory) = alone(counted, task), alone(spent, task)
    return Costs(counts.parameters, counts.operations or None, seconds, memory or None)


def alone(function: Callable[[Task], Found], task: Task) -> Found:
    """Call `function` in a fresh process, whose memory holds nothing of other methods.

    Raises:
        InputError: the process was killed.
    """
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        try:
            return pool.submit(function, task).result()
        except BrokenProcessPool:
            raise InputError(
                f"{task.row}: the process that measured it was killed, as happens where memory is "
                "short; free some, or leave it out of enlargers, fusers or joint"
            ) from None


def counted(task: Task) -> Counts:
    """Parameters and operations of a method; 0 operations without a network."""
    # Operations of compiled networks cannot be counted.
    method = task.load(backend=replace(backend.make(task.compute), compiled=False))
    counts = measure.count(_call(task, method))
    if counts.parameters:
        return counts
    # A method that learns without a network, such as a dictionary: what it stores.
    return replace(counts, parameters=sum(x.numel() for x in method.state()[0].values()))


def spent(task: Task) -> tuple[float, int]:
    """Shortest seconds and largest memory of a method's calls, after one to warm up."""
    made = backend.make(task.compute)
    call = _call(task, task.load(backend=made))
    call()
    measure.forget_peak(made.device)
    seconds = measure.seconds(call, made.device, task.repeats)
    return seconds, measure.peak_memory(made.device)


def _call(task: Task, method: Method) -> Callable[[], Tensor]:
    """The call that is measured, on images that are read before it."""
    batch = load_batch(task.images, [task.group])

    def noise(count: int) -> list[torch.Generator]:
        return [seeding.generator(task.seed, "cost", task.row, slot) for slot in range(count)]

    if task.enlarges:
        return lambda: method.enlarge(batch.sources.flatten(0, 1), noise(SOURCES))
    return lambda: method.fuse(batch, noise(1))
