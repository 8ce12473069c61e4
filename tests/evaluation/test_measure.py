"""Costs of small networks against counts by hand, and memory against what was allocated."""

import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tfsdiff.evaluation import measure

CPU = torch.device("cpu")


class Attention(nn.Module):
    """Of 2 heads; with a layer that is called twice, and one that never is."""

    def __init__(self) -> None:
        super().__init__()
        self.shared = nn.Linear(6, 6, bias=False)
        self.idle = nn.Linear(6, 100)

    def forward(self, x: Tensor, to: Tensor) -> Tensor:
        q, kv = (self.shared(y).unflatten(-1, (2, 3)).transpose(1, 2) for y in (x, to))
        return F.scaled_dot_product_attention(q, kv, kv)


def test_convolution_is_counted_as_by_hand() -> None:
    network = nn.Conv2d(3, 5, 3, padding=1)
    counts = measure.count(lambda: network(torch.zeros(2, 3, 8, 6)))
    assert counts.operations == 2 * (2 * 8 * 6) * 5 * (3 * 3 * 3)
    assert counts.parameters == 5 * 3 * 3 * 3 + 5


@pytest.mark.parametrize("inference", [True, False])
def test_attention_is_counted_as_by_hand_whatever_its_kernel(inference: bool) -> None:
    network, x, to = Attention(), torch.zeros(1, 4, 6), torch.zeros(1, 7, 6)
    with torch.inference_mode(inference):
        counts = measure.count(lambda: network(x, to))
    linear = 2 * (4 + 7) * 6 * 6
    attention = 2 * 2 * 4 * 7 * (3 + 3)  # both products of both heads
    assert counts.operations == linear + attention
    assert counts.parameters == 6 * 6 + 6 * 100 + 100


def test_attention_has_the_operations_of_its_two_products() -> None:
    q, k = torch.zeros(2, 3, 5, 8), torch.zeros(2, 3, 9, 8)
    v = torch.zeros(2, 3, 9, 8)
    fused = measure.count(lambda: F.scaled_dot_product_attention(q, k, v))
    plain = measure.count(lambda: (q @ k.transpose(-1, -2)).softmax(-1) @ v)
    assert fused.operations == plain.operations > 0


def test_work_without_networks_has_no_counts() -> None:
    assert measure.count(lambda: torch.zeros(9).sort()) == measure.Counts(0, 0)


def test_seconds_are_those_of_the_shortest_call() -> None:
    threads, sizes = torch.get_num_threads(), iter((1_000_000, 10, 1_000_000))
    torch.set_num_threads(1)
    try:
        best = measure.seconds(lambda: sum(range(next(sizes))), CPU, 3)
    finally:
        torch.set_num_threads(threads)
    assert 0 < best < 1e-3


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone can forget a peak")
def test_peak_can_be_forgotten() -> None:
    """In a process of its own: in this one, memory that other tests left behind would be reused."""
    code = (
        "import torch\nfrom tfsdiff.evaluation import measure\ncpu = torch.device('cpu')\n"
        "measure.forget_peak(cpu)\nbefore = measure.peak_memory(cpu)\n"
        "torch.zeros(64, 2**20).add_(1)\nhigh = measure.peak_memory(cpu)\n"  # 256 MiB
        "measure.forget_peak(cpu)\nprint(high - before, high - measure.peak_memory(cpu))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert all(int(float(difference)) > 200 * 2**20 for difference in done.stdout.split())


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system knows one number alone")
def test_peak_has_nothing_of_the_parent_process() -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom tfsdiff.evaluation import measure\n"
        "print(measure.peak_memory(measure.torch.device('cpu')))"
    )
    held = torch.ones(192, 2**20)  # 768 MiB, more than torch takes
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 2**26 < int(done.stdout) < held.nbytes


def test_device_has_a_name() -> None:
    assert measure.describe(CPU, 1).endswith(", 1 thread")
    assert measure.describe(CPU, 2).endswith(", 2 threads")
