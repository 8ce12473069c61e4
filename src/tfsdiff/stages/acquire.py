"""Take registered slices from the data source into `data/raw`.

Reads: what `data.input` names (the phantom's own code, a folder of slices, or the registry and lock
of the atlas, whose files come from a cache or are downloaded; new ones are written to the lock).
Writes: an image folder, manifest.csv and images/GROUP/MODALITY.png; for the atlas also what was
decided of series and groups.
"""

from collections.abc import Iterator
from pathlib import Path

from tfsdiff.acquisition import directory
from tfsdiff.common.errors import InputError
from tfsdiff.common.progress import progress
from tfsdiff.data.slices import Group, write_folder
from tfsdiff.params import AtlasData, Data, DirectoryData, PhantomData, Section
from tfsdiff.stages.support import cli


class Params(Section):
    """The parameters that this stage may read."""

    data: Data
    seed: int


def acquire(params: Params, *, input: Path, out: Path) -> None:
    """Write the image folder `out` from the source that `params.data` describes."""
    if not input.exists():
        raise InputError(
            f"data.input: {input} does not exist; set it to the folder with your slices"
        )
    notes: dict[str, str] = {}
    if isinstance(params.data, DirectoryData):
        items = directory.read_directory(params.data)
    elif isinstance(params.data, AtlasData):
        items, notes = _atlas(params.data)
    else:
        items = _phantom(params.data, params.seed)
    write_folder(out, progress(items, "acquire"), notes)


# Packages that only one data source needs are imported where it is chosen.


def _atlas(settings: AtlasData) -> tuple[list[directory.Item], dict[str, str]]:
    from tfsdiff.acquisition.atlas import source

    found = source.read_atlas(settings)
    return found.items, found.notes


def _phantom(settings: PhantomData, seed: int) -> Iterator[directory.Item]:
    from tfsdiff.acquisition import phantom

    for made in phantom.generate(settings, seed):
        group = Group(
            made.group, made.combination, made.patient, int(made.slice), *made.modalities, "phantom"
        )
        yield group, made.images


if __name__ == "__main__":
    cli.run(acquire)
