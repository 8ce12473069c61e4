"""Enlarge the low-resolution sources of the test groups by a network.

Reads: the split, low-resolution sources, the fitted enlarger. Writes: an image folder of the test
groups at high resolution, 8 bit; anatomical images as grey, whatever colour the enlarger gave them.
"""

from pathlib import Path

from tfsdiff import methods
from tfsdiff.core import backend
from tfsdiff.params import Compute, Sampling, Section
from tfsdiff.stages.support import cli
from tfsdiff.stages.support.enlarging import write_enlarged


class Params(Section):
    """The parameters that this stage may read."""

    compute: Compute
    sampling: Sampling
    seed: int


def enlarge_learned(params: Params, *, split: Path, low: Path, model: Path, out: Path) -> None:
    """Write the test groups of the image folder `low`, enlarged by `model`, to `out`."""
    method = methods.load_method(model, backend.make(params.compute), params.sampling)
    write_enlarged(method, params.seed, params.sampling.batch, split, low, out)


if __name__ == "__main__":
    cli.run(enlarge_learned)
