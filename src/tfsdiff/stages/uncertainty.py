"""Draw several fusions of each group: their mean, their deviation, and its calibration.

Reads: the split, low-resolution sources, the fitted joint method, truth. Writes: a folder with
GROUP.png (mean) and GROUP-deviation.png (`evaluation.ensemble.picture`) a group, the calibration
(CSV, in grey levels of 0..255; a value is one channel of one pixel), and its figure.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from tfsdiff import methods
from tfsdiff.common.errors import InputError
from tfsdiff.common.files import replacing
from tfsdiff.common.progress import progress
from tfsdiff.core import backend, seeding
from tfsdiff.core.tensors import Batch
from tfsdiff.data.dataset import batches, select
from tfsdiff.data.images import read, to_8bit, to_unit, write_png
from tfsdiff.evaluation.calibration import calibrate, write_calibration
from tfsdiff.evaluation.ensemble import Moments, moments, picture
from tfsdiff.methods.base import Fuser
from tfsdiff.params import Compute, Sampling, Section, Uncertainty
from tfsdiff.report.figures.calibration import Example, draw_calibration
from tfsdiff.report.labels import method_label
from tfsdiff.stages.support import cli
from tfsdiff.stages.support.choose import spread

BINS = 20


class Params(Section):
    """The parameters that this stage may read."""

    compute: Compute
    sampling: Sampling
    seed: int
    uncertainty: Uncertainty


def uncertainty(
    params: Params,
    *,
    network: str,
    scale: int,
    split: Path,
    low: Path,
    truth: Path,
    model: Path,
    maps: Path,
    out: Path,
    figure: Path,
) -> None:
    """Write mean and deviation images to `maps`, the calibration to `out`, draw it to `figure`."""
    # Only at temperature 1 do samples scatter as the posterior does.
    change = {"evaluations": params.uncertainty.evaluations, "temperature": 1.0}
    sampling = params.sampling.model_copy(update=change)
    method = methods.load_method(model, backend.make(params.compute), sampling)
    groups = spread(select(low, split, "test"), params.uncertainty.groups)
    title = f"{method_label(network)} ×{scale}"
    parts = progress(list(batches(low, groups, sampling.batch)), title)
    drawn = [_moments(params, method, batch) for batch in parts]
    found = Moments(
        torch.cat([part.mean for part in drawn]), torch.cat([part.deviation for part in drawn])
    )
    names = [group.group for group in groups]
    error = found.mean - _truth(truth, names, found.mean)
    calibration = calibrate((255 * found.deviation).numpy(), (255 * error).numpy(), BINS)
    _write_maps(maps, names, found)
    write_calibration(out, calibration)
    count = f"{params.uncertainty.samples} samples of each of {len(names)} test images"
    how = f"{sampling.sampler} with {sampling.evaluations} evaluations"
    draw_calibration(
        calibration, _example(names[0], found, error), figure, f"{title}: {count}, {how}"
    )


def _moments(params: Params, method: Fuser, batch: Batch) -> Moments:
    def draw(sample: int) -> Tensor:
        noise = [
            seeding.generator(params.seed, "uncertainty", name, sample) for name in batch.groups
        ]
        return method.fuse(batch, noise)

    return moments(draw, params.uncertainty.samples)


def _example(name: str, found: Moments, error: Tensor) -> Example:
    """Maps of the first group, which is called `name`."""
    return Example(
        name,
        to_8bit(found.mean[0]),
        255 * found.pixel_deviation()[0].numpy(),
        255 * error[0].square().mean(0).sqrt().numpy(),
    )


def _truth(folder: Path, names: Sequence[str], like: Tensor) -> Tensor:
    images = []
    for name, one in zip(names, like, strict=True):
        path = folder / f"{name}.png"
        images.append(to_unit(read(path)))
        if images[-1].shape != one.shape:
            size = f"{one.shape[-1]} x {one.shape[-2]}"
            raise InputError(f"{path}: is not of the fusion's size {size}; run `truth` again")
    return torch.stack(images)


def _write_maps(folder: Path, names: Sequence[str], found: Moments) -> None:
    with replacing(folder) as temporary:
        temporary.mkdir()
        for name, mean, deviation in zip(names, found.mean, found.pixel_deviation(), strict=True):
            write_png(temporary / f"{name}.png", to_8bit(mean))
            write_png(temporary / f"{name}-deviation.png", picture(deviation))


if __name__ == "__main__":
    cli.run(uncertainty)
