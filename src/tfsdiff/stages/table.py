"""Render Table 1 (all methods) or Table 2 (ablations) as Markdown, CSV and LaTeX.

Reads: the scores of the rows that the parameters name, and the split. Writes: three files that
differ in their suffix.
"""

from collections import Counter
from pathlib import Path

from tfsdiff.common.files import write_text
from tfsdiff.data.split import read_split
from tfsdiff.evaluation.rows import Lists, table1_rows, table2_rows
from tfsdiff.evaluation.scores import read_scores
from tfsdiff.params import Data, Named, Report, Resolution, Sampling, Split, Train
from tfsdiff.report.labels import method_label, row_label
from tfsdiff.report.ranking import Block, caption_of, rank, to_numbers
from tfsdiff.report.render import to_latex, to_markdown
from tfsdiff.stages.support import cli

TITLES = {
    1: "Table 1: fusion with super-resolution.",
    2: "Table 2: ablations of TFS-Diff.",
}


class Params(Lists):
    """The parameters that this stage may read."""

    ablated: dict[str, Named]
    data: Data
    imported: tuple[str, ...]
    learned_fusers: tuple[str, ...]
    profile: str
    report: Report
    resolution: Resolution
    sampling: Sampling
    split: Split
    train: Train


def table(params: Params, *, number: int, scores: Path, split: Path, out: Path) -> None:
    """Write table `number` to `out`.md, .csv and .tex."""
    blocks = _blocks(params, number)
    rows = [row for block in blocks for row in block.rows]
    summaries = read_scores(scores, rows)
    named = {name: ablation.label for name, ablation in params.ablated.items()}
    labels = {row: row_label(row, named) for row in rows}
    remarks = _origins(params) if number == 1 else []
    document = rank(_caption(params, number, split), blocks, summaries, labels, remarks)
    write_text(out.with_name(f"{out.name}.md"), to_markdown(document))
    write_text(out.with_name(f"{out.name}.tex"), to_latex(document))
    write_text(out.with_name(f"{out.name}.csv"), to_numbers(blocks, summaries, labels))


def _blocks(params: Params, number: int) -> list[Block]:
    if number == 1:
        controls = params.report.controls
        return [Block(scale, *table1_rows(scale, params, controls)) for scale in params.scales]
    bases = [params.ablated[name].method for name in params.ablations]
    return [
        Block(scale, table2_rows(scale, params.ablations, bases))
        for scale in params.ablation_scales
    ]


def _origins(params: Params) -> list[str]:
    """Origin of the weights of the fusers that learn."""
    imported = [name for name in params.learned_fusers if name in params.imported]
    here = [name for name in params.learned_fusers if name not in imported]
    return [
        f"{', '.join(map(method_label, names))}: {text}"
        for names, text in (
            (here, "learned here, without the patients tested on; not the published weights."),
            (imported, "with imported weights."),
        )
        if names
    ]


def _caption(params: Params, number: int, split: Path) -> str:
    places = read_split(split)
    count = Counter(place.part for place in places)
    return caption_of(
        TITLES[number],
        params.profile,
        f"{params.data.source}, {count['train']} groups to train on, split by {places[0].rule}",
        count["test"],
        params.resolution.hr_pixels,
        f"{params.train.steps} steps of {params.train.batch} per network and scale, "
        f"{params.sampling.sampler} with {params.sampling.evaluations} evaluations",
    )


if __name__ == "__main__":
    cli.run(table)
