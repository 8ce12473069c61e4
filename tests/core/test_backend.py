import pytest
import torch

from tfsdiff.common.errors import InputError
from tfsdiff.core import backend
from tfsdiff.params import Compute

EAGER = Compute(device="cpu", threads=1, precision="float32", compile=False, deterministic=True)


@pytest.fixture(autouse=True)
def threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def changed(**changes) -> Compute:
    return EAGER.model_copy(update=changes)


def test_threads_are_set() -> None:
    backend.make(changed(threads=2))
    assert torch.get_num_threads() == 2


def test_bfloat16_is_refused_where_it_would_be_slower(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": False})
    with pytest.raises(InputError, match=r"compute\.precision: this CPU has no .*float32"):
        backend.make(changed(precision="bfloat16"))
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": True})
    assert backend.make(changed(precision="bfloat16")).precision == "bfloat16"


def test_compilation_is_refused_on_a_cpu() -> None:
    with pytest.raises(InputError, match=r"set compute\.compile=false"):
        backend.make(changed(compile=True))


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_missing_device_names_the_cure() -> None:
    with pytest.raises(InputError, match=r"no CUDA device; set compute\.device=cpu"):
        backend.make(changed(device="cuda"))


def test_precision_acts_within_autocast_only() -> None:
    rough = backend.Backend(torch.device("cpu"), "bfloat16")
    x = torch.ones(2, 2)
    with rough.autocast():
        assert (x @ x).dtype == torch.bfloat16
    with backend.CPU.autocast():
        assert (x @ x).dtype == torch.float32
    network = rough.place(torch.nn.Conv2d(3, 4, 3))
    assert network.weight.dtype == torch.float32
    assert network.weight.is_contiguous(memory_format=torch.channels_last)
