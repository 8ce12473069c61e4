"""Enlarge the sources of the training and validation groups by a guide, and fuse them.

Reads: the split, low-resolution sources, computed groups, the fitted guide. Writes: an image folder
of the enlarged sources, and their fusion by BitonicX, the first guess, as GROUP.png.
"""

from collections.abc import Iterator
from pathlib import Path

from torch import Tensor

from tfsdiff import methods
from tfsdiff.common.files import replacing
from tfsdiff.common.progress import progress
from tfsdiff.core import backend, seeding
from tfsdiff.core.tensors import Batch
from tfsdiff.data.dataset import load_batch, select
from tfsdiff.data.slices import Group, read_manifest, write_folder
from tfsdiff.methods.tfsdiff_guided.guide import Guide
from tfsdiff.methods.tfsdiff_guided.method import GUIDE_SAMPLING
from tfsdiff.params import Compute, Section
from tfsdiff.stages.support import cli
from tfsdiff.stages.support.examples import GROUPS, GUESS, reduced
from tfsdiff.stages.support.image_folders import source_pixels, write_fused


class Params(Section):
    """The parameters that this stage may read."""

    compute: Compute
    seed: int


def guide(
    params: Params, *, scale: int, split: Path, low: Path, computed: Path, model: Path, out: Path
) -> None:
    """Write what the enlarger `model` and BitonicX make of all groups but those of the test."""
    guide = Guide.of(methods.load_method(model, backend.make(params.compute), GUIDE_SAMPLING))
    real = [group for part in ("train", "validation") for group in select(low, split, part)]
    made = read_manifest(computed)
    guesses: dict[str, Tensor] = {}

    def loaded() -> Iterator[tuple[Group, Batch]]:
        yield from ((group, load_batch(low, [group])) for group in real)
        yield from ((group, reduced(load_batch(computed, [group]), scale)) for group in made)

    def enlarged() -> Iterator[tuple[Group, list]]:
        for group, batch in progress(loaded(), f"guide x{scale}", total=len(real) + len(made)):
            found = guide(batch, [seeding.generator(params.seed, "guide", group.group)])
            guesses[group.group] = found.truth[0]
            yield group, source_pixels(found.sources[0])

    with replacing(out) as temporary:
        temporary.mkdir()
        write_folder(temporary / GROUPS, enlarged())
        write_fused(temporary / GUESS, iter(guesses.items()))


if __name__ == "__main__":
    cli.run(guide)
