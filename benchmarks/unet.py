"""Forward pass of TFS-Diff's U-Net, against a plain one of the same weights.

    python benchmarks/unet.py [--size small|wide|paper] [--device cpu|cuda] [--compile]

Plain is eager float32 with images channel by channel (contiguous), as PyTorch does it without being
told anything; every variant is timed in turn with it, best of some rounds, and held against it.

Operations are counted (two a multiplication and addition; convolutions, matrix products, attention)
and compared with the rate of a large matrix product in the same precision, measured in the same
run. Bytes are those of each convolution's and matrix product's weights, input and output, once:
all else (normalisation, Swish, noise shift, sums, concatenation) could at best be done on the way.
The floor is the longer of operations / peak and bytes / bandwidth of a copy. A small network's
layers stay in the caches of a CPU, so that there the bytes cost less than that.
"""

import argparse
import copy
from dataclasses import dataclass

import torch
from measuring import (
    TYPES,
    Model,
    arguments,
    bandwidth,
    make_backend,
    model,
    peak_operations,
)
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from tfsdiff.core.backend import Backend, has_bfloat16
from tfsdiff.core.tensors import CHANNELS
from tfsdiff.evaluation.measure import describe, seconds
from tfsdiff.params import Precision

FORMATS = {"contiguous": torch.contiguous_format, "channels-last": torch.channels_last}


@dataclass(frozen=True)
class Variant:
    """A way to evaluate the network."""

    precision: Precision
    layout: str
    compiled: bool = False

    def __str__(self) -> str:
        return f"{self.precision}, {self.layout}{', compiled' if self.compiled else ''}"

    def prepare(self, network: nn.Module) -> nn.Module:
        """Copy `network`, laid out and compiled this way."""
        made = copy.deepcopy(network).to(memory_format=FORMATS[self.layout])
        if self.compiled:
            made.compile()
        return made

    def run(self, network: nn.Module, inputs: tuple[Tensor, ...]) -> Tensor:
        """Evaluate."""
        backend = Backend(inputs[0].device, self.precision)
        with torch.inference_mode(), backend.autocast():
            return network(*inputs)


PLAIN = Variant("float32", "contiguous")


@dataclass(frozen=True)
class Best:
    """The best that the device can do in one precision.

    Attributes:
        operations: a second, of a large matrix product.
        floor: seconds that the forward pass takes at least.
    """

    operations: float
    floor: float


def main() -> None:
    """Count, measure, compare."""
    parser = arguments(__doc__.splitlines()[0], pixels=64, batch=4)
    parser.add_argument("--compile", action="store_true", help="torch.compile too: takes a minute")
    given = parser.parse_args()
    found = model(given.size)
    device = make_backend(given.device, given.threads).device
    operations, weights, values = count(found, given.batch, given.pixels)
    print(
        f"TFS-Diff {given.size}, {weights / 1e6:.1f} M parameters, batch {given.batch} of "
        f"{given.pixels} x {given.pixels} pixels; {describe(device, given.threads)}; best of "
        f"{given.repeats}\nforward pass: {operations / 1e9:.2f} GFLOP; {weights / 1e6:.1f} M "
        f"weights and {values / 1e6:.1f} M values in and out of convolutions"
    )
    kinds, rate = precisions(given), bandwidth(device)
    best = {kind: bounds(device, kind, operations, weights + values, rate) for kind in kinds}
    variants = [Variant(kind, layout) for kind in kinds for layout in FORMATS]
    if given.compile:
        variants += [Variant(kind, "channels-last", True) for kind in kinds]
    times, errors = measure(variants, found, given, device)
    print(f"{'':34s}      ms  speed-up  of peak  x floor  deviation")
    for v, time in times.items():
        share = operations / time / best[v.precision].operations
        print(
            f"{v!s:34s}{1e3 * time:8.2f}  {times[PLAIN] / time:8.2f}  {share:7.1%}"
            f"  {time / best[v.precision].floor:7.1f}  {errors[v]:9.1e}"
        )


def bounds(
    device: torch.device, kind: Precision, operations: int, values: int, rate: float
) -> Best:
    """Measure the peak, print and return what follows from it and from the bandwidth `rate`."""
    peak, moved = peak_operations(device, kind), values * TYPES[kind].itemsize
    print(
        f"{kind}: matrix product {peak / 1e9:.0f} GFLOP/s: {1e3 * operations / peak:.2f} ms; "
        f"copy {rate / 1e9:.1f} GB/s: {1e3 * moved / rate:.2f} ms for {moved / 1e6:.0f} MB"
    )
    return Best(peak, max(operations / peak, moved / rate))


def precisions(given: argparse.Namespace) -> list[Precision]:
    """What is worth a try: bfloat16 on a CPU without it takes many times as long."""
    return ["float32", "bfloat16"] if given.device == "cuda" or has_bfloat16() else ["float32"]


def count(found: Model, batch: int, pixels: int) -> tuple[int, int, int]:
    """Operations of a forward pass, weights, and values in and out of the layers with weights."""
    values = 0

    def add(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal values
        values += inputs[0].numel() + output.numel()

    with torch.device("meta"), torch.no_grad(), FlopCounterMode(display=False) as counter:
        network = found.method.new_network(found.recipe).eval()
        for module in network.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                module.register_forward_hook(add)
        network(*random_inputs(found, batch, pixels, torch.device("meta")))
    return counter.get_total_flops(), sum(p.numel() for p in network.parameters()), values


def random_inputs(
    found: Model, batch: int, pixels: int, device: torch.device
) -> tuple[Tensor, Tensor, Tensor]:
    """Condition, noisy image and noise level."""
    channels = [found.method.condition_channels, CHANNELS]
    images = torch.randn(batch, sum(channels), pixels, pixels, device=device)
    condition, noisy = images.split(channels, 1)
    return condition.contiguous(), noisy.contiguous(), torch.full((batch,), 0.5, device=device)


def measure(
    variants: list[Variant], found: Model, given: argparse.Namespace, device: torch.device
) -> tuple[dict[Variant, float], dict[Variant, float]]:
    """Time all variants in turns: seconds, and the relative deviation of the output."""
    network, draw = found.initial_network(), torch.Generator().manual_seed(0)
    nn.init.kaiming_normal_(network.final_conv.block[-1].weight, generator=draw)  # it starts at 0
    networks = {v: v.prepare(network.to(device)) for v in variants}
    inputs = random_inputs(found, given.batch, given.pixels, device)
    outputs = {v: v.run(networks[v], inputs).float() for v in variants}  # compiles, chooses kernels
    times = {v: [] for v in variants}
    for _ in range(given.repeats):
        for v, one in times.items():
            one.append(seconds(lambda v=v: v.run(networks[v], inputs), device, 1))
    plain = outputs[PLAIN]
    errors = {v: ((y - plain).norm() / plain.norm()).item() for v, y in outputs.items()}
    return {v: min(one) for v, one in times.items()}, errors


if __name__ == "__main__":
    main()
