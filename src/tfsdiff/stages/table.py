"""Render Table 1 (all methods) or Table 2 (ablations) as Markdown, CSV and LaTeX.

Reads: the summaries of the cells that the parameters name (never whatever lies in the folder), and
the split. Writes: three files that differ in their ending.
"""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tfsdiff import methods
from tfsdiff.common.errors import InputError
from tfsdiff.common.files import replacing
from tfsdiff.data.split import read_split
from tfsdiff.evaluation.scores import Summary, read_summary
from tfsdiff.params import Data, Report, Resolution, Sampling, Section, Split, Train
from tfsdiff.report.labels import TITLES, label, table1_rows
from tfsdiff.report.tables import caption, render_table
from tfsdiff.stages.support import cli


class Params(Section):
    """What this stage may see."""

    ablation_scales: tuple[int, ...]
    ablations: tuple[str, ...]
    data: Data
    enlargers: tuple[str, ...]
    fusers: tuple[str, ...]
    joint: tuple[str, ...]
    profile: str
    report: Report
    resolution: Resolution
    sampling: Sampling
    scales: tuple[int, ...]
    split: Split
    train: Train
    methods: dict[str, dict[str, Any]]


def table(params: Params, *, number: int, metrics: Path, split: Path, out: Path) -> None:
    """Write table `number` to `out`.md, .csv and .tex."""
    report = params.report
    if number == 1:
        lists = params.joint, params.fusers, params.enlargers, report.controls
        rows, controls = table1_rows(*lists)
        scales, remarks = params.scales, _origins(params)
    else:
        rows, controls, scales, remarks = (
            (*params.joint, *params.ablations),
            (),
            params.ablation_scales,
            (),
        )
    cells = dict(_cells(params, metrics, (*rows, *controls), scales))
    labels = {row: label(row) for row in (*rows, *controls)}
    text = _caption(params, number, split)
    rendered = render_table(cells, rows, scales, text, controls, labels, remarks)
    for ending, text in (
        ("md", rendered.markdown()),
        ("csv", rendered.csv()),
        ("tex", rendered.latex()),
    ):
        with replacing(out.with_name(f"{out.name}.{ending}")) as temporary:
            temporary.write_text(text, encoding="utf-8")


def _cells(
    params: Params, metrics: Path, rows: Iterable[str], scales: Iterable[int]
) -> Iterable[tuple[tuple[str, int], Summary]]:
    cascades = {f"{fuser}-{by}" for fuser in params.fusers for by in params.enlargers}
    full = {f"{fuser}-full" for fuser in params.fusers}
    kinds = {"joint": params.joint, "ablations": params.ablations, "cascades": cascades}
    for row in rows:
        for scale in scales:
            if row in full:  # has lost no resolution: the same at every scale
                yield (row, scale), read_summary(metrics / "full" / "x1" / f"{row}.json")
                continue
            kind = next((kind for kind, names in kinds.items() if row in names), None)
            if kind is None:
                raise InputError(
                    f"report: no cell is called {row!r}; rows are {', '.join(params.joint)}, "
                    "FUSER-ENLARGER or FUSER-full of the sections fusers and enlargers"
                )
            yield (row, scale), read_summary(metrics / kind / f"x{scale}" / f"{row}.json")


def _origins(params: Params) -> list[str]:
    """Where the weights of the fusers come from that learn."""
    learned = [name for name in params.fusers if methods.is_learned(name, params.methods[name])]
    imported = [name for name in learned if methods.weights_of(params.methods[name]) is not None]
    here = [name for name in learned if name not in imported]
    return [
        f"{', '.join(map(label, names))}: {text}"
        for names, text in (
            (here, "learned here, without the patients tested on; not the published weights."),
            (imported, "with imported weights."),
        )
        if names
    ]


def _caption(params: Params, number: int, split: Path) -> str:
    places = read_split(split)
    count = Counter(place.part for place in places)
    rule = places[0].rule
    return caption(
        TITLES[number],
        params.profile,
        f"{params.data.source}, {count['train']} groups to train on, split by {rule}",
        count["test"],
        params.resolution.hr_pixels,
        f"{params.train.steps} steps of {params.train.batch} per network and scale, "
        f"{params.sampling.sampler} with {params.sampling.evaluations} evaluations",
    )


if __name__ == "__main__":
    cli.run(table)
