"""Training steps of TFS-Diff through the real loop: images per second, and where the time goes.

    python benchmarks/training.py [--size small|wide|paper] [--device cpu|cuda] [--precision P]

The operations of a step, counted while it runs (two a multiplication and addition, backward pass
included), are compared with the rate of a large matrix product in the same precision, measured in
the same run. Images per second are the best of some rounds of steps, undisturbed. The parts come
from further steps; on a GPU each part then waits for the device, which makes those steps longer
than the undisturbed ones, and drawing the batch is done by a thread beside the others.
"""

import contextlib
import functools
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from measuring import (
    MIB,
    Model,
    arguments,
    make_backend,
    model,
    peak_operations,
)
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from tfsdiff.core.backend import Backend
from tfsdiff.core.tensors import CHANNELS
from tfsdiff.evaluation.measure import clock, describe, forget_peak, peak_memory
from tfsdiff.methods.conditional.method import ConditionalPairs
from tfsdiff.methods.conditional.network import ConditionalUNet
from tfsdiff.methods.conditional.training import DenoisingObjective
from tfsdiff.training.checkpoint import Checkpoint
from tfsdiff.training.evaluate import highest_psnr
from tfsdiff.training.log import NullLog
from tfsdiff.training.loop import Training, train
from tfsdiff.training.optim import Average

EXAMPLES = 8
PARTS = {  # what is called for it; the losses without the network
    "drawing the batch": (DenoisingObjective, "draw"),
    "network, forward": (ConditionalUNet, "__call__"),
    "noise and losses": (DenoisingObjective, "loss"),
    "backward": (Tensor, "backward"),
    "gradient norm": (nn.utils, "get_total_norm"),
    "gradient clip": (nn.utils, "clip_grads_with_norm_"),
    "optimiser": (torch.optim.Adam, "step"),
    "average of weights": (Average, "update"),
}


class Nowhere(Checkpoint):
    """Checkpoints that are not written."""

    def save(self, *_: Any) -> None:
        """Write nothing."""

    def load(self, *_: Any) -> None:
        """Find nothing."""

    def sweep(self) -> None:
        """Clear up nothing."""


@dataclass
class Watch:
    """Seconds of each part, together."""

    device: torch.device
    seconds: Counter = field(default_factory=Counter)

    def time(self, part: str, function: Callable) -> Callable:
        """Wrap `function` so that its time is taken."""

        @functools.wraps(function)
        def timed(*given: Any, **named: Any) -> Any:
            start = clock(self.device)
            try:
                return function(*given, **named)
            finally:
                self.seconds[part] += clock(self.device) - start

        return timed

    @contextlib.contextmanager
    def parts(self) -> Iterator[None]:
        """Take the times of all parts."""
        with contextlib.ExitStack() as stack:
            for part, (owner, name) in PARTS.items():
                timed = self.time(part, getattr(owner, name))
                stack.enter_context(mock.patch.object(owner, name, timed))
            yield


class Rounds(NullLog):
    """A log that looks at the clock after each round of steps."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._ends: list[float] = []

    def speed(self, step: int, images_per_second: float) -> None:
        """A round has ended; the first, which compiles and chooses kernels, is not to count."""
        if not self._ends:
            self._watch.seconds.clear()
        self._ends.append(clock(self._watch.device))

    @property
    def seconds(self) -> list[float]:
        """Of each round but the first."""
        return [end - start for start, end in pairwise(self._ends)]


def main() -> None:
    """Count, train, print."""
    parser = arguments(__doc__.splitlines()[0], pixels=64, batch=4)
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--compile", action="store_true", help="by torch.compile")
    parser.add_argument("--steps", type=int, default=10, help="of a round")
    given = parser.parse_args()
    found = model(given.size)
    plain = make_backend(given.device, given.threads, given.precision)
    backend = replace(plain, compiled=given.compile)
    watch = Watch(backend.device)
    with FlopCounterMode(display=False) as counter:
        run(found, plain, (given.batch, given.pixels), 1, 1, watch)
    operations = counter.get_total_flops()
    peak = peak_operations(backend.device, given.precision)
    print(
        f"TFS-Diff {given.size}, batch {given.batch} of {given.pixels} x {given.pixels} pixels, "
        f"{given.precision}{', compiled' if given.compile else ''}; "
        f"{describe(backend.device, given.threads)}; best of {given.repeats} rounds of "
        f"{given.steps} steps\n"
        f"a step: {operations / 1e9:.1f} GFLOP; matrix product {peak / 1e9:.0f} GFLOP/s, so at "
        f"least {1e3 * operations / peak:.1f} ms"
    )
    shape, rounds = (given.batch, given.pixels), 1 + given.repeats
    forget_peak(backend.device)
    step = min(run(found, backend, shape, given.steps, rounds, watch)) / given.steps
    print(
        f"{1e3 * step:.1f} ms, {given.batch / step:.2f} images per second, "
        f"{operations / step / peak:.1%} of the peak; "
        f"peak memory {peak_memory(backend.device) / MIB:.0f} MiB"
    )
    with watch.parts():
        total = run(found, backend, shape, given.steps, 2, watch)[0]
    report(watch.seconds, total)


def run(
    found: Model, backend: Backend, shape: tuple[int, int], steps: int, rounds: int, watch: Watch
) -> list[float]:
    """Train on batches of `shape` (images, pixels); seconds of each round but the first."""
    draw, (batch, pixels), method = torch.Generator().manual_seed(0), shape, found.method
    channels = [method.condition_channels, CHANNELS]
    images = 2 * torch.rand(EXAMPLES, sum(channels), pixels, pixels, generator=draw) - 1
    pairs = ConditionalPairs(tuple(map(str, range(EXAMPLES))), *images.split(channels, 1))
    changes = {"batch": batch, "steps": steps * rounds, "crop_pixels": None, "processes": 1}
    every = {"validation_steps": steps, "checkpoint_steps": steps * rounds, "keep": "last"}
    settings = found.train.model_copy(update=changes | every)
    log, nowhere = Rounds(watch), Nowhere(Path(), "")
    denoiser = method.denoiser(found.initial_network(), found.recipe, backend)
    objective = DenoisingObjective.of(method, denoiser, pairs, settings)

    def evaluate(_: nn.Module) -> tuple[dict[str, float], Tensor]:
        return {"psnr": 0.0}, images

    network = backend.place(denoiser)
    given = network, objective, evaluate, settings, 0, nowhere, log, backend, highest_psnr
    train(Training("", *given))
    return log.seconds


def report(seconds: Counter, total: float) -> None:
    """Print the share of each part."""
    seconds["noise and losses"] -= seconds["network, forward"]
    seconds["all else"] = total - seconds.total()
    for part in [*PARTS, "all else"]:
        print(f"  {part:20s} {seconds[part] / total:6.1%}")


if __name__ == "__main__":
    main()
