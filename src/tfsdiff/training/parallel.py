"""The processes that train one network together, as `torchrun` starts them; often only one."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn

from tfsdiff.common.errors import InputError
from tfsdiff.core.backend import Backend
from tfsdiff.params import Train


@dataclass(frozen=True)
class Workers:
    """This process among those that share a batch.

    Attributes:
        rank: which one this is, 0, 1, ...; the first alone writes files and validates.
        count: how many there are.
    """

    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether this process writes."""
        return self.rank == 0

    def share(self, network: nn.Module) -> nn.Module:
        """Wrap `network` so that gradients are averaged over the processes."""
        return nn.parallel.DistributedDataParallel(network) if self.count > 1 else network

    def silent(self, network: nn.Module, quiet: bool) -> contextlib.AbstractContextManager[None]:
        """Context in which gradients of a shared network stay in this process, if `quiet`."""
        if quiet and isinstance(network, nn.parallel.DistributedDataParallel):
            return network.no_sync()
        return contextlib.nullcontext()

    def mean(self, values: Tensor) -> Tensor:
        """Mean of `values` (any shape, on the CPU) over the processes, the same in each."""
        if self.count == 1:
            return values
        total = values.clone()
        dist.all_reduce(total)
        return total / self.count

    def any(self, flag: bool) -> bool:
        """Whether `flag` is set in one of the processes at least."""
        return (self.count > 1 and self.mean(torch.tensor(float(flag))).item() > 0) or flag

    def wait(self) -> None:
        """Wait until all processes are here."""
        if self.count > 1:
            dist.barrier()


def launched() -> int:
    """Number of processes that `torchrun` started for this job; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def check_shares(settings: Train, groups: int, title: str) -> None:
    """Refuse a batch that the processes of this job cannot share.

    Args:
        settings: number of processes and micro-batches, and size of the batch.
        groups: parameter groups; where there are several, they take turns.
        title: of the training, for errors.
    """
    if launched() != settings.processes:
        raise InputError(
            f"train.processes: {settings.processes} but torchrun started {launched()}; make them "
            "agree"
        )
    if settings.batch % (settings.processes * settings.accumulate):
        raise InputError(
            f"train.batch: {settings.batch} cannot be shared by {settings.processes} processes in "
            f"{settings.accumulate} parts each; make it a multiple of their product"
        )
    if launched() > 1 and groups > 1:
        raise InputError(
            f"{title}: its networks are trained alternately, which several processes cannot "
            "share; set its train.processes to 1"
        )


@contextlib.contextmanager
def together(backend: Backend) -> Iterator[Workers]:
    """Join the other processes of `torchrun`, and leave them at the end."""
    if launched() == 1:
        yield Workers()
        return
    # Gradients of GPUs go by NCCL; flags and logged numbers lie on the CPU and go by Gloo.
    dist.init_process_group("cpu:gloo,cuda:nccl" if backend.device.type == "cuda" else "gloo")
    try:
        yield Workers(dist.get_rank(), dist.get_world_size())
    finally:
        dist.destroy_process_group()
