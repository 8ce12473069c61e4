"""Seconds an image and peak memory of TFS-Diff's samplers.

    python benchmarks/sampling.py [--size small|wide|paper] [--device cpu|cuda] [--evaluations 2 16]

Images are drawn as `tfsdiff fuse` and the stage `fuse` draw them. The floor is the operations of
that many evaluations of the network (two a multiplication and addition) at the rate of a large
matrix product in the same precision, measured in the same run.
"""

import copy
from dataclasses import replace

import torch
from measuring import (
    MIB,
    Model,
    arguments,
    make_backend,
    model,
    peak_operations,
)

from tfsdiff.core.backend import Backend
from tfsdiff.diffusion.denoiser import Denoiser
from tfsdiff.diffusion.samplers import SAMPLERS
from tfsdiff.evaluation.measure import count, describe, forget_peak, peak_memory, seconds
from tfsdiff.methods.tfsdiff.method import TFSDiff
from tfsdiff.params import Sampling


def main() -> None:
    """Draw by each sampler, in each number of evaluations and size of the batch."""
    parser = arguments(__doc__.splitlines()[0], pixels=64, batches=(1, 4))
    add = parser.add_argument
    add("--precision", choices=("float32", "bfloat16"), default="float32")
    add("--compile", action="store_true", help="by torch.compile")
    add("--samplers", nargs="+", choices=SAMPLERS, default=list(SAMPLERS))
    add("--evaluations", nargs="+", type=int, default=[2, 16], help="of the network, an image")
    given = parser.parse_args()
    found = model(given.size)
    plain = make_backend(given.device, given.threads, given.precision)
    backend = replace(plain, compiled=given.compile)
    peak = peak_operations(backend.device, given.precision)
    drawn = restored(found, make_backend(given.device, given.threads, given.precision))
    operations = count(lambda: draw(drawn, 1, given.pixels, "ddim", 1)).operations
    print(
        f"TFS-Diff {given.size}, {given.pixels} x {given.pixels} pixels, {given.precision}"
        f"{', compiled' if given.compile else ''}; "
        f"{describe(backend.device, given.threads)}; best of {given.repeats}\n"
        f"an evaluation: {operations / 1e9:.2f} GFLOP an image; matrix product "
        f"{peak / 1e9:.0f} GFLOP/s\n"
        "sampler    evaluations  batch  s an image  x floor  peak MiB"
    )
    drawn = restored(found, backend)
    for batch in given.batch:
        draw(drawn, batch, given.pixels, "ddim", 1)  # compiles, chooses kernels
        for evaluations in given.evaluations:
            for sampler in given.samplers:
                forget_peak(backend.device)
                time = seconds(
                    lambda how=(batch, given.pixels, sampler, evaluations): draw(drawn, *how),
                    backend.device,
                    given.repeats,
                )
                image, floor = time / batch, evaluations * operations / peak
                print(
                    f"{sampler:12s}{evaluations:10d}{batch:7d}{image:12.4f}{image / floor:9.1f}"
                    f"{peak_memory(backend.device) / MIB:10.0f}"
                )


def restored(found: Model, backend: Backend) -> Denoiser:
    """A denoiser with initial weights, ready to draw; what it draws does not matter here."""
    method, recipe = copy.copy(found.method), found.recipe
    method.restore(found.initial_network().state_dict(), recipe, backend)
    return method.denoiser(method.trained_network(), recipe, backend)


def draw(drawn: Denoiser, batch: int, pixels: int, sampler: str, evaluations: int) -> torch.Tensor:
    """Draw a batch of images."""
    condition = torch.full((batch, TFSDiff.condition_channels, pixels, pixels), 0.5)
    generators = [torch.Generator().manual_seed(i) for i in range(batch)]
    how = Sampling(
        sampler=sampler, evaluations=evaluations, spacing="time", temperature=1.0, batch=batch
    )
    return drawn.sample(condition, generators, how)


if __name__ == "__main__":
    main()
