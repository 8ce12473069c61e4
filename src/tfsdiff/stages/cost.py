"""Measure what each method of Table 1 costs for one group: parameters, operations, time, memory.

Reads: the split, sources at both resolutions, the fitted methods. Writes: parameters and operations
(CSV). Seconds and memory go to `timings` instead (the whole table as Markdown, and a CSV of the
same name), which no tool tracks: the same parameters must give the same bytes.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch

from tfsdiff.common.files import write_text
from tfsdiff.common.progress import progress
from tfsdiff.data.dataset import load_batch, select
from tfsdiff.data.slices import Group
from tfsdiff.evaluation import measure
from tfsdiff.evaluation.cost import Costs, cascade
from tfsdiff.evaluation.method_cost import Task, measured
from tfsdiff.evaluation.rows import Roles, Row, full_rows, table1_rows
from tfsdiff.methods.base import Method
from tfsdiff.params import Compute, Cost, Sampling
from tfsdiff.report.cost_table import document, notes, to_numbers
from tfsdiff.report.labels import method_label, row_label
from tfsdiff.report.render import to_markdown
from tfsdiff.stages.support import cli
from tfsdiff.stages.support.settings import ready


class Params(Roles):
    """The parameters that this stage may read."""

    compute: Compute
    cost: Cost
    methods: dict[str, dict[str, Any]]
    sampling: Sampling
    seed: int


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
    """Write the reproducible columns to `out`, and all columns to `timings`."""
    groups = select(sources, split, "test")
    group = groups[len(groups) // 2]
    tasks = list(_tasks(params, scale, models, low, sources, group))
    found = {task.row: measured(task) for task in progress(tasks, "cost")}
    methods = _methods(params, scale, found)
    components = {name: found[name] for name in params.enlargers}
    components |= {row.name: found[row.name] for row in full_rows(params)}
    numbers = {row.name: one for row, one in methods.items()} | components
    write_text(out, to_numbers(numbers, timings=False))
    write_text(timings.with_suffix(".csv"), to_numbers(numbers, timings=True))
    labels = {name: f"{method_label(name)}, three sources" for name in params.enlargers}
    labels |= {row.name: row_label(row) for row in full_rows(params)}
    text = document(
        _caption(params, scale, *load_batch(sources, [group]).sources.shape[-2:]),
        {row_label(row): one for row, one in methods.items()},
        {labels[name]: one for name, one in components.items()},
        notes(params.compute.device, params.compute.threads, params.cost.repeats),
    )
    write_text(timings, to_markdown(text))


def _methods(params: Params, scale: int, found: Mapping[str, Costs]) -> dict[Row, Costs]:
    """Costs of the rows of Table 1, computed from those of their methods."""
    alone = {row.method: found[row.name] for row in full_rows(params)}
    rows, _ = table1_rows(scale, params, controls=())
    return {
        row: cascade(found[row.enlarger], alone[row.method]) if row.enlarger else found[row.name]
        for row in rows
    }


def _tasks(
    params: Params, scale: int, models: Path, low: Path, sources: Path, group: Group
) -> Iterator[Task]:
    """One task for each method of which a row of Table 1 consists."""
    sampling = params.sampling.model_copy(update={"batch": 1})

    def load(name: str, folder: str, scale: int | None = None) -> Callable[..., Method]:
        settings = params.methods[name]
        return partial(ready, name, settings, models / folder, scale=scale, sampling=sampling)

    how = (params.compute, params.cost.repeats, params.seed)
    for name in params.enlargers:
        yield Task(name, load(name, f"{name}-x{scale}", scale), low, group, True, *how)
    for name in params.joint:
        yield Task(name, load(name, f"{name}-x{scale}"), low, group, False, *how)
    for row in full_rows(params):
        yield Task(row.name, load(row.method, row.method), sources, group, False, *how)


def _caption(params: Params, scale: int, height: int, width: int) -> str:
    compute, sampling = params.compute, params.sampling
    device = measure.describe(torch.device(compute.device), compute.threads)
    return (
        f"Cost of fusing three images to one of {width} × {height} pixels at scale ×{scale}, one "
        "group at a time. What super-resolves by diffusion takes "
        f"{sampling.evaluations} evaluations ({sampling.sampler}); "
        f"{compute.precision}{', compiled' if compute.compile else ''}; {device}."
    )


if __name__ == "__main__":
    cli.run(cost)
