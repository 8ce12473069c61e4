"""The cost of a call: seconds, memory, and the operations and parameters of its networks."""

import contextlib
import platform
import re
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_pre_hook
from torch.utils.flop_counter import FlopCounterMode

KIB = 2**10
_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass(frozen=True)
class Counts:
    """What the networks did in a call.

    Attributes:
        parameters: of all networks that were called, each once; 0 where there was none.
        operations: in matrix products, convolutions and attention, two a multiplication and
            addition; element by element work and Fourier transforms are left out.
    """

    parameters: int
    operations: int


def clock(device: torch.device) -> float:
    """Seconds on a clock, read when the device has finished all submitted work.

    A single CPU thread is timed by its processor time, which other load disturbs less.
    """
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif torch.get_num_threads() == 1:
        return time.process_time()
    return time.perf_counter()


def seconds(call: Callable[[], object], device: torch.device, repeats: int) -> float:
    """Time of the fastest of `repeats` calls, each measured until the device has finished."""
    times = []
    for _ in range(repeats):
        start = clock(device)
        call()
        times.append(clock(device) - start)
    return min(times)


def forget_peak(device: torch.device) -> None:
    """Reset `peak_memory`; on a CPU only Linux can do so."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    else:
        with contextlib.suppress(OSError):
            _CLEAR.write_text("5", encoding="ascii")


def peak_memory(device: torch.device) -> int:
    """Largest memory so far in bytes: of all tensors on a GPU, of the whole process on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    # Preferred to `getrusage`, whose maximum starts at the memory of the parent process.
    with contextlib.suppress(OSError):
        if found := re.search(r"VmHWM:\s*(\d+) kB", _STATUS.read_text(encoding="ascii")):
            return int(found[1]) * KIB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KIB


def count(call: Callable[[], object]) -> Counts:
    """Count parameters and operations of the networks in `call`, which slows it down.

    Networks that went through `torch.compile` are not seen.
    """
    called: dict[int, nn.Module] = {}

    def note(module: nn.Module, inputs: Any) -> None:
        called[id(module)] = module

    attention = {torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention}
    handle = register_module_forward_pre_hook(note)
    try:
        with FlopCounterMode(display=False, custom_mapping=attention) as counter:
            call()
    finally:
        handle.remove()
    weights = {id(x): x.numel() for module in called.values() for x in module.parameters()}
    return Counts(sum(weights.values()), counter.get_total_flops())


def _attention(
    query: torch.Size, key: torch.Size, value: torch.Size, *rest: Any, **named: Any
) -> int:
    """Operations of attention, of which PyTorch counts all kernels but the one for CPUs."""
    batch, heads, queries, width = query
    return 2 * batch * heads * queries * key[2] * (width + value[3])


def describe(device: torch.device, threads: int) -> str:
    """Name of the device: the GPU, if it is one, and the CPU with its threads."""
    cpu = f"{_cpu()}, {threads} thread{'s' if threads > 1 else ''}"
    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)} beside {cpu}"
    return cpu


def _cpu() -> str:
    with contextlib.suppress(OSError):
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
        if found := re.search(r"model name\s*:\s*(.+)", text):
            return found[1].strip()
    return platform.processor() or platform.machine() or "CPU"
