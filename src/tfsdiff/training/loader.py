"""The data loader: examples and crops of each training step, prepared in advance.

Everything random derives from (seed, step, place in the batch). A step is therefore the same
whether the training was interrupted before it or not, and however many processes and micro-batches
share its batch.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import torch
from torch import Tensor

from tfsdiff.common.errors import InputError
from tfsdiff.core.backend import Backend
from tfsdiff.core.seeding import generator
from tfsdiff.params import Train

Draw = Callable[[Tensor, Sequence[torch.Generator]], tuple[Tensor, ...]]
Batch = list[tuple[Tensor, ...]]  # the inputs of each micro-batch


@dataclass(frozen=True)
class Loader:
    """Batches of one process.

    Attributes:
        draw: see `Objective.draw`.
        count: number of examples.
        settings: size of the batch, and how it is divided.
        seed: of the order of the examples, and of what `draw` draws.
        backend: where the network computes.
        rank: of this process among those that share a batch.
    """

    draw: Draw
    count: int
    settings: Train
    seed: int
    backend: Backend
    rank: int = 0

    def batches(self, start: int) -> Iterator[Batch]:
        """Batches of the steps from `start` to the last, on the device of the backend.

        The examples stay in memory, so that preparing a batch is cutting and drawing noise. For a
        GPU a thread prepares the next batch in pinned memory while the GPU computes; on a CPU it
        would only take time from the network.
        """
        steps = range(start, self.settings.steps)
        if self.backend.device.type == "cpu":
            yield from map(self._prepare, steps)
            return

        def pinned(step: int) -> Batch:
            return [tuple(x.pin_memory() for x in inputs) for inputs in self._prepare(step)]

        device = self.backend.device
        with ThreadPoolExecutor(1) as pool:
            ahead = pool.submit(pinned, steps[0]) if steps else None
            for step in steps:
                batch = ahead.result()
                if step != steps[-1]:
                    ahead = pool.submit(pinned, step + 1)
                yield [tuple(x.to(device, non_blocking=True) for x in inputs) for inputs in batch]

    def micro_batches(self) -> list[range]:
        """Places in the batch that this process computes: a range each micro-batch."""
        settings = self.settings
        share = settings.batch // (settings.processes * settings.accumulate)
        first = self.rank * settings.accumulate
        return [
            range(i * share, (i + 1) * share) for i in range(first, first + settings.accumulate)
        ]

    def share(self, step: int) -> list[int]:
        """Indices of the examples that this process computes in `step`."""
        indices = self._indices(step)
        return [int(indices[place]) for places in self.micro_batches() for place in places]

    def _indices(self, step: int) -> Tensor:
        return batch_indices(step, self.settings.batch, self.count, self.seed)

    def _prepare(self, step: int) -> Batch:
        indices = self._indices(step)
        return [
            self.draw(
                indices[list(places)],
                [generator(self.seed, "step", step, place) for place in places],
            )
            for places in self.micro_batches()
        ]


def batch_indices(step: int, batch: int, count: int, seed: int) -> Tensor:
    """Examples of training step `step` (0, 1, ...): (batch,) indices below `count`.

    Batches are consecutive pieces of an endless row of permutations, one an epoch.
    """
    places = range(step * batch, (step + 1) * batch)
    epochs = {place // count for place in places}
    orders = {e: torch.randperm(count, generator=generator(seed, "epoch", e)) for e in epochs}
    return torch.stack([orders[place // count][place % count] for place in places])


class PendingScalars:
    """Numbers of a step that is still being computed.

    Reading a number off a GPU waits for everything that was queued before it. These are copied to
    pinned memory behind the work that computes them, so that they can be read after the next step
    is queued, and the GPU never runs dry.
    """

    def __init__(self, values: Tensor) -> None:
        self._event = torch.cuda.Event() if values.is_cuda else None
        self._values = values
        if self._event is not None:
            self._values = torch.empty_like(values, device="cpu", pin_memory=True)
            self._values.copy_(values, non_blocking=True)
            self._event.record()

    def read(self) -> list[float]:
        """Wait for the numbers, not for what was queued after them."""
        if self._event is not None:
            self._event.synchronize()
        return self._values.tolist()


def crop(images: Tensor, settings: Train, scale: int, generator: torch.Generator) -> Tensor:
    """Cut a random crop from images stacked by their channels, and turn it at random.

    Args:
        images: (C, H, W).
        settings: size of the crop, and how to augment.
        scale: of the enlargement. Crops start at multiples of this many pixels, so that the
            low-resolution pixels lie in every crop as they lie in a whole image.
        generator: of place and turn.

    Returns:
        (C, h, w); the whole images where `settings.crop_pixels` is None or larger than they are.
    """
    sides = images.shape[-2:]
    height, width = (min(side, settings.crop_pixels or side) for side in sides)
    u = torch.rand(4, generator=generator).tolist()
    rows, columns = ((s - n) // scale + 1 for s, n in zip(sides, (height, width), strict=True))
    top, left = int(u[0] * rows) * scale, int(u[1] * columns) * scale
    part = images[..., top : top + height, left : left + width]
    if settings.augment != "none" and u[2] < 0.5:
        part = part.flip(-1)
    return part.rot90(int(4 * u[3]), (-2, -1)) if settings.augment == "square" else part


def check_crop(settings: Train, step: int, pixels: tuple[int, int]) -> None:
    """Refuse crops that the network cannot take, and turns of crops that are not square."""
    if settings.crop_pixels is not None and settings.crop_pixels % step:
        raise InputError(
            f"train.crop_pixels: {settings.crop_pixels} must be a multiple of {step}, as the U-Net "
            "halves it that often; change it or shorten unet.multipliers"
        )
    height, width = (min(side, settings.crop_pixels or side) for side in pixels)
    if settings.augment == "square" and height != width:
        raise InputError(
            f"train.augment: square needs square crops, not {height} x {width}; set "
            "train.crop_pixels or train.augment=flip"
        )
