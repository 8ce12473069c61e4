"""Make computed groups from the training groups and the pairs, and their ground truth.

Reads: the high-resolution sources, the pairs, the split. Writes: an image folder, and a folder of
GROUP.png, BitonicX of each group, with the same manifest; both may be without any group.

Groups are computed by as many processes as there are processors. Those that are ready lie outside
every tracked output until all are: a stage that was killed goes on from there.
"""

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import torch

from tfsdiff.common.files import replacing
from tfsdiff.common.processes import compute_each, usable_cpus
from tfsdiff.common.progress import progress
from tfsdiff.core import seeding
from tfsdiff.core.tensors import Batch
from tfsdiff.data.dataset import select
from tfsdiff.data.images import Pixels, read, to_8bit, to_unit, write_png
from tfsdiff.data.pairs import read_pairs, without_patients
from tfsdiff.data.slices import MANIFEST, Group, image_path, read_manifest, write_folder
from tfsdiff.data.split import read_split
from tfsdiff.data.synthesis import studies
from tfsdiff.data.synthesis.recipes import Recipes, name_of
from tfsdiff.methods.bitonicx.method import BitonicX, Settings
from tfsdiff.params import Compute, Section, Synthetic
from tfsdiff.stages.support import cli

TRUTH = "truth.png"  # beside the images of a group that is ready


class Params(Section):
    """The parameters that this stage may read."""

    compute: Compute
    seed: int
    synthetic: Synthetic
    truth: Settings


@dataclass(frozen=True)
class Task:
    """Makes groups by their number and keeps each in `ready`/GROUP; sent to the workers."""

    recipes: Recipes
    fuser: BitonicX
    seed: int
    ready: Path

    def __call__(self, index: int) -> None:
        """Make one group and its truth, if it is not there."""
        if (self.ready / name_of(index)).is_dir():
            return
        group, images = self.recipes.make(index)
        sources = torch.stack([to_unit(image) for image in images])[None]
        noise = seeding.generator(self.seed, "truth", group.group)
        truth = self.fuser.fuse(Batch((group.group,), sources), [noise])[0]
        with replacing(self.ready / group.group) as folder:
            write_folder(folder, [(group, images)])
            write_png(folder / TRUTH, to_8bit(truth))


def synthesise(
    params: Params,
    *,
    sources: Path,
    pairs: Path,
    split: Path,
    checkpoints: Path,
    out: Path,
    truth: Path,
) -> None:
    """Write the image folder `out` and `truth`/GROUP.png; `checkpoints` keeps what is ready."""
    count = params.synthetic.count
    known = _studies(sources, pairs, split) if count else []
    ready = checkpoints / _fingerprint(params, known)
    if count:
        task = Task(
            Recipes(known, params.synthetic, params.seed),
            BitonicX(params.truth),
            params.seed,
            ready,
        )
        made = compute_each(task, range(count), usable_cpus(), _one_thread, "synthesise")
        for _ in progress(made, "synthesise", total=count):
            pass
    names = [name_of(index) for index in range(count)]
    write_folder(out, (_read(ready / name) for name in names), allow_empty=True)
    with replacing(truth) as folder:
        folder.mkdir()
        shutil.copyfile(out / MANIFEST, folder / MANIFEST)
        for name in names:
            shutil.copyfile(ready / name / TRUTH, folder / f"{name}.png")
    # What is written must not be taken up again: its files would only take room.
    shutil.rmtree(checkpoints, ignore_errors=True)


def _studies(sources: Path, pairs: Path, split: Path) -> list[studies.Study]:
    """The training groups, and the pairs of no patient who has groups outside the training part."""
    training = {place.group for place in read_split(split) if place.part == "train"}
    unseen = {group.patient for group in read_manifest(sources) if group.group not in training}
    return [
        *studies.of_groups(sources, select(sources, split, "train")),
        *studies.of_pairs(pairs, without_patients(read_pairs(pairs), unseen)),
    ]


def _fingerprint(params: Params, known: list[studies.Study]) -> str:
    """Hash all that determines a group, the code included; other groups are not gone on with."""
    values = {
        "seed": params.seed,
        "synthetic": params.synthetic.model_dump(exclude={"count", "real_share"}),
        "truth": params.truth.model_dump(),
        "studies": studies.digest(known),
        "code": _code(),
    }
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


def _code() -> str:
    package = Path(studies.__file__).parents[2]
    files = [*package.glob("core/*.py"), *package.glob("data/**/*.py")]
    files += package.glob("methods/bitonicx/*.py")
    return hashlib.sha256(b"".join(file.read_bytes() for file in sorted(files))).hexdigest()


def _read(folder: Path) -> tuple[Group, list[Pixels]]:
    (group,) = read_manifest(folder)
    return group, [read(image_path(folder, group, name)) for name in group.modalities]


def _one_thread() -> None:
    torch.set_num_threads(1)


if __name__ == "__main__":
    cli.run(synthesise)
