"""Deal the groups to the training, validation and test part.

Reads: the manifest of the raw slices. Writes: one CSV row a group, with its part and the rule.
"""

from pathlib import Path

from tfsdiff.data.groups import read_manifest
from tfsdiff.data.split import split as deal
from tfsdiff.data.split import write_split
from tfsdiff.params import Section, Split
from tfsdiff.stages import _cli


class Params(Section):
    """What this stage may see."""

    seed: int
    split: Split


def split(params: Params, *, raw: Path, out: Path) -> None:
    """Write the split of the image folder `raw` to the CSV file `out`."""
    write_split(out, deal(read_manifest(raw), params.split, params.seed))


if __name__ == "__main__":
    _cli.run(split)
