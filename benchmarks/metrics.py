"""Milliseconds per image and metric: python benchmarks/metrics.py [PIXELS] [BACKBONE].

One fused image against four references (three sources, ground truth), on one core. Without a
BACKBONE file (AlexNet features as safetensors) LPIPS is left out.
"""

import sys
import time

import torch

from tfsdiff.metrics.lpips import load
from tfsdiff.metrics.registry import METRICS
from tfsdiff.metrics.score import function

REPEATS = 10


def main(pixels: int = 256, backbone: str | None = None) -> None:
    """Time every metric on random images of `pixels` by `pixels`."""
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (5, 3, pixels, pixels), generator=generator, dtype=torch.uint8)
    network = None if backbone is None else load(backbone)
    print(f"{pixels} x {pixels} pixels, 4 references, 1 thread, best of {REPEATS}")
    for name, metric in METRICS.items():
        if metric.needs_network and network is None:
            continue
        arguments = [images[0], images[1:]] if metric.needs_reference else [images[0]]
        arguments += [network] if metric.needs_network else []
        print(f"{name:6s} {1000 * best_seconds(function(metric), arguments):8.2f} ms")


def best_seconds(call, arguments) -> float:
    """Shortest of `REPEATS` calls."""
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        call(*arguments)
        times.append(time.perf_counter() - start)
    return min(times)


if __name__ == "__main__":
    main(*(int(word) if word.isdigit() else word for word in sys.argv[1:]))
