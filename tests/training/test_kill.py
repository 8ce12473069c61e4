import signal
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("killed_training.py")


def start(folder: Path, *when: str) -> int:
    folder.mkdir(exist_ok=True)
    command = [sys.executable, SCRIPT, folder, *when]
    return subprocess.run(command, capture_output=True, check=False, timeout=100).returncode


@pytest.mark.slow
def test_killed_training_ends_with_the_weights_of_one_that_was_not(tmp_path: Path) -> None:
    assert start(tmp_path / "whole", "never") == 0
    for when in (("step", "4"), ("save", "2")):
        assert start(tmp_path / "killed", *when) == -signal.SIGKILL
        assert not (tmp_path / "killed" / "weights.safetensors").exists()
    assert start(tmp_path / "killed", "never") == 0
    weights = [(tmp_path / n / "weights.safetensors").read_bytes() for n in ("whole", "killed")]
    assert weights[0] == weights[1]
