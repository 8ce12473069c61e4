"""Trainings in processes of their own: killed, ended, shared."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

SCRIPT = Path(__file__).with_name("training_process.py")
STEPS = 40


def start(folder: Path, *words: str, launcher: tuple[str, ...] = ()) -> subprocess.Popen:
    folder.mkdir(exist_ok=True)
    command = [sys.executable, *launcher, str(SCRIPT), str(folder), *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen) -> int:
    _, error = process.communicate(timeout=100)
    assert process.returncode in (0, -signal.SIGKILL, 143), error
    return process.returncode


def kill_after(folder: Path, steps: int, number: signal.Signals) -> int:
    """Start the training, and send a signal once it has made so many steps more."""
    log = folder / "step.log"
    before = len(log.read_text()) if log.exists() else 0
    process = start(folder)
    while process.poll() is None:
        if log.exists() and len(log.read_text()) - before >= 5 * steps:
            process.send_signal(number)
            break
        time.sleep(0.001)
    return finish(process)


@pytest.mark.slow
def test_killed_training_ends_with_the_weights_of_one_that_was_not(tmp_path: Path) -> None:
    """Six kills, by number of steps and while a checkpoint is written, and one polite end."""
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert finish(start(whole)) == 0
    killed.mkdir()
    moments = random.Random(5)
    for _ in range(3):
        assert kill_after(killed, moments.randint(1, 9), signal.SIGKILL) == -signal.SIGKILL
        assert not (killed / "weights.safetensors").exists()
    for call in (1, 2, 3):
        assert finish(start(killed, "1", str(call))) == -signal.SIGKILL
    kill_after(killed, 1, signal.SIGTERM)
    assert finish(start(killed)) == 0
    assert (killed / "step.log").read_text().count("step") > STEPS  # some were made twice
    weights = [(folder / "weights.safetensors").read_bytes() for folder in (whole, killed)]
    assert weights[0] == weights[1]


@pytest.mark.slow
def test_two_processes_train_as_one(tmp_path: Path) -> None:
    """Each computes half the batch; but for the order of sums nothing differs."""
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")
    processes = [start(tmp_path / "two", "2", "0", "0", launcher=torchrun)]
    processes.append(start(tmp_path / "one", "1", "0", "0"))
    assert [finish(process) for process in processes] == [0, 0]
    two, one = (load_file(tmp_path / name / "weights.safetensors") for name in ("two", "one"))
    for name, tensor in one.items():
        torch.testing.assert_close(two[name], tensor, atol=2e-4, rtol=1e-3)
