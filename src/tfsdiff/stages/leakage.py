"""Report what leaks between the parts of both splits: the nearest neighbours in training.

Reads: the raw slices and the splits by both rules. Writes: every held-out group with its neighbour
(CSV), a summary (Markdown) and a figure (PNG), which differ in their suffix.
"""

from pathlib import Path

from tfsdiff.common.files import write_text
from tfsdiff.data.dataset import select
from tfsdiff.data.images import Pixels, read
from tfsdiff.data.slices import Group, image_path, read_manifest
from tfsdiff.data.split import read_split
from tfsdiff.evaluation.leakage import Leak, Neighbour, neighbours, typical
from tfsdiff.evaluation.similarity import similarities
from tfsdiff.params import Compute, Data, Section
from tfsdiff.report.figures.leakage import Example, draw_leakage
from tfsdiff.report.leakage_table import document, to_neighbours
from tfsdiff.report.render import to_markdown
from tfsdiff.stages.support import cli

HELD_OUT = ("validation", "test")


class Params(Section):
    """The parameters that this stage may read."""

    compute: Compute
    data: Data
    profile: str


def leakage(params: Params, *, raw: Path, random: Path, patient: Path, out: Path) -> None:
    """Write `out`.csv, .md and .png of the image folder `raw` and its splits by the two rules."""
    groups = read_manifest(raw)
    similarity = similarities(raw, groups).numpy()
    leaks = []
    for split in (random, patient):
        rule = read_split(split)[0].rule
        training = select(raw, split, "train")
        for part in HELD_OUT:
            found = neighbours(groups, similarity, select(raw, split, part), training)
            leaks.append(Leak(rule, part, tuple(found)))
    caption = (
        "What leaks from the training part. "
        f"Profile {params.profile}; data: {params.data.source}, {len(groups)} groups."
    )
    write_text(out.with_name(f"{out.name}.csv"), to_neighbours(leaks))
    write_text(out.with_name(f"{out.name}.md"), to_markdown(document(leaks, caption)))
    tested = [leak for leak in leaks if leak.part == "test"]
    examples = [_example(raw, typical(leak.neighbours)) for leak in tested]
    draw_leakage(tested, examples, out.with_name(f"{out.name}.png"))


def _example(raw: Path, one: Neighbour | None) -> Example | None:
    if one is None:
        return None
    return Example(one, _pictures(raw, one.group), _pictures(raw, one.nearest))


def _pictures(raw: Path, group: Group) -> tuple[Pixels, ...]:
    return tuple(read(image_path(raw, group, modality)) for modality in group.modalities)


if __name__ == "__main__":
    cli.run(leakage)
