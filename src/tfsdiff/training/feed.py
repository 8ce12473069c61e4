"""Batches on their way to the network: what a step computes on, ready before the step begins."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from tfsdiff.core.backend import Backend

Parts = list[tuple[Tensor, ...]]  # of one batch: the inputs of each forward pass


def feed(
    steps: Sequence[int], prepare: Callable[[int], Parts], backend: Backend
) -> Iterator[Parts]:
    """Give the parts of each step's batch, on the backend's device.

    The examples stay in memory, so that preparing is cutting and drawing noise. For a GPU a thread
    prepares the next step in pinned memory while the GPU computes; a CPU has no time to spare.
    """
    if backend.device.type == "cpu":
        yield from map(prepare, steps)
        return

    def pinned(step: int) -> Parts:
        return [tuple(x.pin_memory() for x in part) for part in prepare(step)]

    with ThreadPoolExecutor(1) as pool:
        ahead = pool.submit(pinned, steps[0]) if steps else None
        for step in steps:
            parts = ahead.result()
            if step != steps[-1]:
                ahead = pool.submit(pinned, step + 1)
            yield [tuple(x.to(backend.device, non_blocking=True) for x in part) for part in parts]


class Later:
    """Numbers of a step that is still being computed: read them without holding up the next."""

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
