"""Device, precision and kernels with which networks compute."""

import os
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import nn

from tfsdiff.common.errors import InputError
from tfsdiff.params import Compute, Precision

Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True)
class Backend:
    """A device and how to compute on it.

    Attributes:
        device: where weights and batches lie.
        precision: of convolutions and matrix products; weights and losses are float32 always.
        compiled: whether networks go through torch.compile.
    """

    device: torch.device
    precision: Precision = "float32"
    compiled: bool = False

    def autocast(self) -> AbstractContextManager:
        """Context in which a network is evaluated."""
        return torch.autocast(
            self.device.type, torch.bfloat16, enabled=self.precision == "bfloat16"
        )

    def place(self, network: Network) -> Network:
        """Move `network` to the device, in place, in the memory layout that convolutions prefer."""
        return network.to(self.device, memory_format=torch.channels_last)

    def compile(self, network: nn.Module) -> None:
        """Compile `network` in place where this backend compiles; names of weights stay."""
        if self.compiled:
            network.compile()


CPU = Backend(torch.device("cpu"))
SLOW = (
    "this CPU has no instructions for bfloat16 (AVX512-BF16 or AMX), which makes it slower than "
    "float32"
)


def make(compute: Compute) -> Backend:
    """Set threads and kernels of this process as `compute` says, and give its backend.

    In a process of `torchrun`, `cuda` is the GPU of its local rank.

    Raises:
        InputError: this machine has no such device, or is slower with that choice than without.
    """
    torch.set_num_threads(compute.threads)
    if compute.device == "cpu":  # deterministic anyway; asking torch for it would take a second
        if compute.precision == "bfloat16" and not has_bfloat16():
            raise InputError(f"compute.precision: {SLOW}; set compute.precision=float32")
        if compute.compile:
            raise InputError(
                "compute.compile: compiled networks are slower than eager ones on a CPU "
                "(benchmarks/training.py); set compute.compile=false"
            )
        return Backend(torch.device("cpu"), compute.precision)
    if not torch.cuda.is_available():
        raise InputError("compute.device: this machine has no CUDA device; set compute.device=cpu")
    torch.use_deterministic_algorithms(compute.deterministic, warn_only=True)
    torch.backends.cudnn.benchmark = not compute.deterministic
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    torch.cuda.set_device(device)
    return Backend(device, compute.precision, compute.compile)


def has_bfloat16() -> bool:
    """Whether this CPU multiplies bfloat16 natively."""
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
