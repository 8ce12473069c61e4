import resource
from pathlib import Path

import pytest
import torch

from tfsdiff.common.errors import InputError
from tfsdiff.training.checkpoint import LAST, Checkpoint, fingerprint


def test_round_trip(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path / "a", "x")
    assert checkpoint.load() is None
    tensors = {"network/w": torch.rand(2, 3), "optimiser/0.step": torch.tensor(3.0)}
    checkpoint.save(tensors, {"step": 3, "history": [[1, {"loss": 0.1}]]})
    loaded, values = checkpoint.load()
    assert values == {"step": 3, "history": [[1, {"loss": 0.1}]]}
    assert all(torch.equal(loaded[key], tensors[key]) for key in tensors)
    checkpoint.remove()
    assert not (tmp_path / "a").exists()


def test_checkpoint_of_another_training_is_not_resumed(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    Checkpoint(tmp_path, "x").save({}, {"step": 3})
    assert Checkpoint(tmp_path, "y").load() is None
    assert "not resumed, it belongs to other data or parameters" in capsys.readouterr().err


def test_damaged_checkpoint_is_not_resumed(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    checkpoint = Checkpoint(tmp_path, "x")
    checkpoint.save({"w": torch.rand(100)}, {})
    whole = (tmp_path / LAST).read_bytes()
    (tmp_path / LAST).write_bytes(whole[:-40])
    assert checkpoint.load() is None
    assert "cannot be read" in capsys.readouterr().err


def test_left_over_of_a_killed_writer_is_swept(tmp_path: Path) -> None:
    left_over = tmp_path / f".{LAST}.partial-123"
    left_over.write_bytes(b"half")
    Checkpoint(tmp_path, "x").sweep()
    assert not left_over.exists()


def test_fingerprint_sees_values_bytes_and_shapes() -> None:
    a = torch.rand(2, 3)
    prints = {
        fingerprint({"lr": 1}, [a]),
        fingerprint({"lr": 2}, [a]),
        fingerprint({"lr": 1}, [a + 1e-6]),
        fingerprint({"lr": 1}, [a.view(3, 2)]),
        fingerprint({"lr": 1}, [a, a]),
    }
    assert len(prints) == 5
    assert fingerprint({"lr": 1}, [a.clone()]) in prints


def test_disk_that_is_full_leaves_the_checkpoint_before(tmp_path: Path) -> None:
    """A limit on the size of files makes the system refuse to write on, as a full disk does."""
    checkpoint = Checkpoint(tmp_path, "x")
    checkpoint.save({"w": torch.zeros(10)}, {"step": 1})
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        with pytest.raises(
            InputError, match=r"cannot be written .*; make room for 0\.4 MB"
        ) as error:
            checkpoint.save({"w": torch.zeros(100_000)}, {"step": 2})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "\n" not in str(error.value)
    assert checkpoint.load()[1] == {"step": 1}
    assert [path.name for path in tmp_path.iterdir()] == [LAST]
