"""Assign the groups to the training, validation and test part by one rule.

Reads: the manifest of the raw slices. Writes: one CSV row a group, with its part and the rule. Both
rules are always dealt; `split.rule` says which of the files an experiment uses.
"""

from pathlib import Path

from tfsdiff.data.slices import read_manifest
from tfsdiff.data.split import split as deal
from tfsdiff.data.split import write_split
from tfsdiff.params import Section, Split, validate
from tfsdiff.stages.support import cli


class Params(Section):
    """The parameters that this stage may read."""

    seed: int
    split: Split


def split(params: Params, *, rule: str, raw: Path, out: Path) -> None:
    """Write the split of the image folder `raw` by `rule` to the CSV file `out`."""
    settings = validate(params.split.model_dump() | {"rule": rule}, Split, "--rule")
    write_split(out, deal(read_manifest(raw), settings, params.seed))


if __name__ == "__main__":
    cli.run(split)
