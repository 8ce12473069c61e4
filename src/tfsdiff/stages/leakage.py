"""Report what leaks between the parts of both splits: the nearest neighbours in training.

Also checks that nothing of a held-out patient went into the computed groups; if something did, the
stage fails. Reads: the raw slices, the splits by both rules, the computed groups and the split that
they were made by. Writes: every held-out group with its neighbour
(CSV), a summary (Markdown) and a figure (PNG), which differ in their suffix.
"""

from pathlib import Path

from tfsdiff.common.files import write_text
from tfsdiff.data.dataset import select
from tfsdiff.data.images import Pixels, read
from tfsdiff.data.slices import Group, image_path, read_manifest
from tfsdiff.data.split import read_split
from tfsdiff.data.synthesis import origins
from tfsdiff.evaluation.leakage import ComputedGroups, Leak, Neighbour, neighbours, typical
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


def leakage(
    params: Params,
    *,
    raw: Path,
    random: Path,
    patient: Path,
    synthetic: Path,
    split: Path,
    out: Path,
) -> None:
    """Write `out`.csv, .md and .png of the image folder `raw` and its splits by the two rules."""
    computed = _computed(synthetic, split)
    groups = read_manifest(raw)
    similarity = similarities(raw, groups).numpy()
    leaks = []
    for one in (random, patient):
        rule = read_split(one)[0].rule
        training = select(raw, one, "train")
        for part in HELD_OUT:
            found = neighbours(groups, similarity, select(raw, one, part), training)
            leaks.append(Leak(rule, part, tuple(found)))
    caption = (
        "What leaks from the training part. "
        f"Profile {params.profile}; data: {params.data.source}, {len(groups)} groups."
    )
    write_text(out.with_name(f"{out.name}.csv"), to_neighbours(leaks))
    write_text(out.with_name(f"{out.name}.md"), to_markdown(document(leaks, caption, computed)))
    tested = [leak for leak in leaks if leak.part == "test"]
    examples = [_example(raw, typical(leak.neighbours)) for leak in tested]
    draw_leakage(tested, examples, out.with_name(f"{out.name}.png"))


def _computed(synthetic: Path, split: Path) -> ComputedGroups:
    found, places = read_manifest(synthetic, allow_empty=True), read_split(split)
    return ComputedGroups(len(found), origins.check(found, places), places[0].rule)


def _example(raw: Path, one: Neighbour | None) -> Example | None:
    if one is None:
        return None
    return Example(one, _pictures(raw, one.group), _pictures(raw, one.nearest))


def _pictures(raw: Path, group: Group) -> tuple[Pixels, ...]:
    return tuple(read(image_path(raw, group, modality)) for modality in group.modalities)


if __name__ == "__main__":
    cli.run(leakage)
