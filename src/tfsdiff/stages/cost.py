"""Measure what each method of Table 1 costs for one group: parameters, operations, time, memory.

Reads: the split, sources at both resolutions, the fitted members. Writes: parameters and operations
(CSV). Seconds and memory go to `timings` instead (the whole table as Markdown, and a CSV of the
same name), which no tool tracks: the same parameters must give the same bytes.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from tfsdiff.common.errors import InputError
from tfsdiff.common.files import replacing
from tfsdiff.common.progress import progress
from tfsdiff.core import backend, seeding
from tfsdiff.core.tensors import SOURCES
from tfsdiff.data.dataset import load_batch, select
from tfsdiff.data.slices import Group
from tfsdiff.evaluation import measure
from tfsdiff.evaluation.measure import Counts
from tfsdiff.methods.base import Method
from tfsdiff.params import Compute, Cost, Sampling, Section
from tfsdiff.report.cost import Row, cascade, everything, markdown, repeatable
from tfsdiff.report.labels import ENLARGER, FULL, label
from tfsdiff.stages.support import cli
from tfsdiff.stages.support.settings import ready

Found = TypeVar("Found")

PARAMETERS = "Parameters: what was learned, the weights of networks or a dictionary."
OPERATIONS = (
    "Operations: matrix products, convolutions and attention in all evaluations of the networks, "
    "two a multiplication and addition; – where a method has no network, whose work is not counted."
)
SECONDS = {
    "processor": "Seconds: of the processor, the shortest of {repeats} after one to warm up.",
    "clock": "Seconds: by the clock, the shortest of {repeats} after one to warm up.",
}
MEMORY = {
    "cpu": "Peak memory: the largest resident size of a process that does nothing else, while it "
    "fuses; Python, PyTorch and what else the method loads are in it.",
    "cuda": "Peak memory: the most that all tensors took on the GPU while it fused; – where a "
    "method computes on the CPU.",
}
CASCADES = (
    "A cascade is the sum of its members, but for memory: they run one after the other, and the "
    "larger one counts. An enlarger enlarges the three sources of a group one by one."
)


class Params(Section):
    """What this stage may see."""

    compute: Compute
    cost: Cost
    enlargers: tuple[str, ...]
    fusers: tuple[str, ...]
    joint: tuple[str, ...]
    methods: dict[str, dict[str, Any]]
    sampling: Sampling
    seed: int


@dataclass(frozen=True)
class Job:
    """A member to measure, in a process of its own.

    Attributes:
        name: of the member.
        row: name of what comes out.
        model: folder of the member.
        images: image folder that it takes its sources from.
        group: the group in it.
        enlarges: whether it enlarges the sources one by one, or fuses them.
        params: of the stage.
    """

    name: str
    row: str
    model: Path
    images: Path
    group: Group
    enlarges: bool
    params: Params


def cost(
    params: Params,
    *,
    scale: int,
    split: Path,
    sources: Path,
    low: Path,
    models: Path,
    timings: Path,
    out: Path,
) -> None:
    """Write what is the same in every run to `out`, and all of it to `timings`."""
    groups = select(sources, split, "test")
    group = groups[len(groups) // 2]
    jobs = list(_jobs(params, scale, models, low, sources, group))
    found = {job.row: _measured(job) for job in progress(jobs, "cost")}
    fusers = {name: found[ENLARGER.join((name, FULL))] for name in params.fusers}
    methods = [found[name] for name in params.joint]
    methods += [
        cascade(found[by], fuser, name) for by in params.enlargers for name, fuser in fusers.items()
    ]
    members = [*(found[name] for name in params.enlargers), *fusers.values()]
    pixels = load_batch(sources, [group]).sources.shape[-2:]
    labels = {name: f"{label(name)}, three sources" for name in params.enlargers}
    text = markdown(_caption(params, scale, *pixels), methods, members, _notes(params), labels)
    rows = [*methods, *members]
    _write(out, repeatable(rows))
    _write(timings.with_suffix(".csv"), everything(rows))
    _write(timings, text)


def _jobs(
    params: Params, scale: int, models: Path, low: Path, sources: Path, group: Group
) -> Iterator[Job]:
    """One for each member that a row of Table 1 is made of."""
    for names, enlarges in ((params.enlargers, True), (params.joint, False)):
        for name in names:
            yield Job(name, name, models / f"{name}-x{scale}", low, group, enlarges, params)
    for name in params.fusers:
        row = ENLARGER.join((name, FULL))
        yield Job(name, row, models / name, sources, group, False, params)


def _measured(job: Job) -> Row:
    """Measure a member: what it counts first, as that call compiles what is kept on disk."""
    counts, (seconds, memory) = _alone(counted, job), _alone(spent, job)
    return Row(job.row, counts.parameters, counts.operations or None, seconds, memory or None)


def _alone(function: Callable[[Job], Found], job: Job) -> Found:
    """Call it in a fresh process, whose memory has nothing of other methods in it."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        try:
            return pool.submit(function, job).result()
        except BrokenProcessPool:
            raise InputError(
                f"{job.model}: the process that measured it was killed, as happens where memory is "
                "short; free some, or leave it out of enlargers, fusers or joint"
            ) from None


def counted(job: Job) -> Counts:
    """Parameters and operations of a member; 0 operations without a network."""
    # Operations of compiled networks cannot be counted.
    member = _loaded(job, replace(backend.make(job.params.compute), compiled=False))
    counts = measure.count(_call(job, member))
    if counts.parameters:
        return counts
    # What has learned without a network has learned what it stores.
    return replace(counts, parameters=sum(x.numel() for x in member.state()[0].values()))


def spent(job: Job) -> tuple[float, int]:
    """Shortest seconds and largest memory of a member's calls, after one to warm up."""
    made = backend.make(job.params.compute)
    call = _call(job, _loaded(job, made))
    call()
    measure.forget_peak(made.device)
    seconds = measure.seconds(call, made.device, job.params.cost.repeats)
    return seconds, measure.peak_memory(made.device)


def _loaded(job: Job, made: backend.Backend) -> Method:
    sampling = job.params.sampling.model_copy(update={"batch": 1})
    settings, scale = job.params.methods[job.name], job.params.cost.scale if job.enlarges else None
    return ready(job.name, settings, job.model, made, scale=scale, sampling=sampling)


def _call(job: Job, member: Method) -> Callable[[], Tensor]:
    """The call that is measured, on images that are read before it."""
    batch = load_batch(job.images, [job.group])

    def noise(count: int) -> list[torch.Generator]:
        return [seeding.generator(job.params.seed, "cost", job.row, slot) for slot in range(count)]

    if job.enlarges:
        return lambda: member.enlarge(batch.sources.flatten(0, 1), noise(SOURCES))
    return lambda: member.fuse(batch, noise(1))


def _caption(params: Params, scale: int, height: int, width: int) -> str:
    compute, sampling = params.compute, params.sampling
    device = measure.describe(torch.device(compute.device), compute.threads)
    return (
        f"Cost of fusing three images to one of {width} × {height} pixels at scale ×{scale}, "
        f"one group at a time. What super-resolves by diffusion takes "
        f"{sampling.evaluations} evaluations ({sampling.sampler}); "
        f"{compute.precision}{', compiled' if compute.compile else ''}; {device}."
    )


def _notes(params: Params) -> Sequence[str]:
    compute = params.compute
    single = compute.device == "cpu" and compute.threads == 1
    seconds = SECONDS["processor" if single else "clock"].format(repeats=params.cost.repeats)
    return (PARAMETERS, OPERATIONS, seconds, MEMORY[compute.device], CASCADES)


def _write(path: Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="")


if __name__ == "__main__":
    cli.run(cost)
