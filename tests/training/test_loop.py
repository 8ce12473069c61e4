import math
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import tiny
from tfsdiff.common.errors import InputError, Stopped
from tfsdiff.core.backend import CPU
from tfsdiff.params import Train
from tfsdiff.training import loop
from tfsdiff.training.checkpoint import BEST, Checkpoint
from tfsdiff.training.evaluate import highest_psnr
from tfsdiff.training.loader import batch_indices
from tfsdiff.training.log import Log
from tfsdiff.training.loop import Objective, Training

XS = torch.linspace(-1, 1, 7)[:, None]


class Line(Objective):
    """Fit a line, with noise from the generator of each example."""

    names = tuple("abcdefg")

    def draw(self, indices: Tensor, generators: Sequence[torch.Generator]) -> tuple[Tensor, ...]:
        noise = torch.cat([torch.randn(1, 1, generator=g) for g in generators])
        return XS[indices], 2 * XS[indices] + 1 + 0.01 * noise

    def loss(self, network: nn.Module, x: Tensor, wanted: Tensor) -> dict[str, Tensor]:
        return {"loss": (network(x) - wanted).square().mean()}


def evaluate(network: nn.Module) -> tuple[dict[str, float], Tensor]:
    assert not network.training
    loss = (network(XS) - 2 * XS - 1).square().mean().item()
    return {"loss": loss, "psnr": -10 * math.log10(loss)}, torch.zeros(3, 4, 4)


def fit_line(
    settings: Train, folder: Path, log: Log, objective: Objective | None = None
) -> Training:
    """Fit a line by a network with dropout."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = nn.Sequential(nn.Linear(1, 8), nn.Dropout(0.2), nn.Linear(8, 1))
    checkpoint = Checkpoint(folder, "x")
    return Training(
        "line",
        network,
        objective or Line(),
        evaluate,
        settings,
        3,
        checkpoint,
        log,
        CPU,
        highest_psnr,
    )


class Stop(BaseException):
    """Stands for a kill."""


class At(Line):
    """A line whose loss does something at its call number `call`."""

    def __init__(self, call: int, action: Callable[[dict], dict | None]) -> None:
        self.calls, self.call, self.action = 0, call, action

    def loss(self, network: nn.Module, x: Tensor, wanted: Tensor) -> dict[str, Tensor]:
        self.calls += 1
        terms = super().loss(network, x, wanted)
        return (self.action(terms) or terms) if self.calls == self.call else terms


def stopping(at_call: int) -> Objective:
    def stop(_: dict) -> None:
        raise Stop

    return At(at_call, stop)


def same(a: nn.Module, b: nn.Module) -> bool:
    pairs = zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    return all(torch.equal(x, y) for x, y in pairs)


def test_batches_walk_through_permutations() -> None:
    walk = torch.cat([batch_indices(step, batch=4, count=6, seed=1) for step in range(6)])
    epochs = walk.view(4, 6)
    assert torch.equal(epochs.sort(1).values, torch.arange(6).expand(4, 6))
    assert not torch.equal(epochs[0], epochs[1])
    assert len(batch_indices(0, batch=15, count=6, seed=1)) == 15


def test_training_learns_and_logs(train: Train, tmp_path: Path) -> None:
    settings = train.model_copy(
        update={"steps": 200, "validation_steps": 80, "learning_rate": 0.05, "batch": 7}
    )
    rows = tiny.Rows()
    loop.train(fit_line(settings, tmp_path, rows))
    assert [step for step, _ in rows] == [80, 160, 200]
    assert set(rows[0][1]) == {
        "train_loss",
        "train_gradient_norm",
        "validation_loss",
        "validation_psnr",
        "learning_rate",
    }
    assert len(rows.speeds) == 3
    assert min(rows.speeds) > 0
    assert rows.sheet is not None
    assert rows[-1][1]["validation_loss"] < 0.05 < rows[0][1]["train_loss"]


@pytest.mark.parametrize("stops", [(4,), (3, 2, 1, 3)])
def test_resumed_training_is_the_uninterrupted_one(
    stops: tuple[int, ...], train: Train, tmp_path: Path
) -> None:
    whole, resumed = tiny.Rows(), tiny.Rows()
    expected = loop.train(fit_line(train, tmp_path / "a", whole))
    for at_call in stops:
        with pytest.raises(Stop):
            loop.train(fit_line(train, tmp_path / "b", tiny.Rows(), stopping(at_call)))
    network = loop.train(fit_line(train, tmp_path / "b", resumed))
    assert same(network, expected)
    assert resumed == whole
    (tensors, values), (expected_tensors, expected_values) = (
        Checkpoint(tmp_path / name, "x").load() for name in "ba"
    )
    assert values == expected_values
    assert all(torch.equal(tensors[key], expected_tensors[key]) for key in expected_tensors)


def test_finished_training_is_not_repeated(train: Train, tmp_path: Path) -> None:
    expected = loop.train(fit_line(train, tmp_path, tiny.Rows()))
    rows = tiny.Rows()
    assert same(loop.train(fit_line(train, tmp_path, rows, stopping(1))), expected)
    assert [step for step, _ in rows] == [3, 6]


def test_global_generator_is_left_alone(train: Train, tmp_path: Path) -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    loop.train(fit_line(train, tmp_path, tiny.Rows()))
    assert torch.equal(torch.rand(1), expected)


def test_loss_that_is_not_finite_stops_with_the_step(train: Train, tmp_path: Path) -> None:
    objective = At(4, lambda terms: {"loss": terms["loss"] * float("nan")})
    with pytest.raises(InputError, match=r"line: loss is nan at step 4, batch of ") as error:
        loop.train(fit_line(train, tmp_path, tiny.Rows(), objective))
    named = str(error.value).split("batch of ")[1].split(";")[0].split(", ")
    indices = batch_indices(3, train.batch, 7, seed=3).tolist()
    assert named == [Line.names[i] for i in indices]
    assert Checkpoint(tmp_path, "x").load()[1]["step"] == 2


def test_gradient_that_is_not_finite_stops_too(train: Train, tmp_path: Path) -> None:
    # sqrt has an infinite slope at zero, where its value is harmless
    objective = At(3, lambda terms: {"loss": (terms["loss"] - terms["loss"].detach()).abs().sqrt()})
    with pytest.raises(InputError, match=r"gradient_norm is nan at step 3"):
        loop.train(fit_line(train, tmp_path, tiny.Rows(), objective))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_after_the_step_with_a_checkpoint(
    number: signal.Signals, train: Train, tmp_path: Path
) -> None:
    expected = loop.train(fit_line(train, tmp_path / "a", tiny.Rows()))
    objective = At(3, lambda _: os.kill(os.getpid(), number))
    with pytest.raises((Stopped, KeyboardInterrupt), match="line: saved at step 3, run again"):
        loop.train(fit_line(train, tmp_path / "b", tiny.Rows(), objective))
    assert Checkpoint(tmp_path / "b", "x").load()[1]["step"] == 3
    assert same(loop.train(fit_line(train, tmp_path / "b", tiny.Rows())), expected)
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_best_weights_are_kept(train: Train, tmp_path: Path) -> None:
    """A rate that explodes after the first validation leaves the best weights there."""
    scores = iter([3.0, 9.0, 5.0])

    def score(network: nn.Module) -> tuple[dict[str, float], Tensor]:
        return {"psnr": next(scores)}, torch.zeros(3, 4, 4)

    networks = {}
    for keep in ("best", "last"):
        scores = iter([3.0, 9.0, 5.0])
        settings = train.model_copy(update={"keep": keep, "validation_steps": 2})
        one = replace(fit_line(settings, tmp_path / keep, tiny.Rows()), evaluator=score)
        networks[keep] = loop.train(one)
    assert Checkpoint(tmp_path / "best", "x").load(BEST)[1] == {"step": 4}
    until = train.model_copy(update={"steps": 4, "decay": "constant"})
    assert not same(networks["best"], networks["last"])
    constant = train.model_copy(update={"keep": "best", "validation_steps": 2, "decay": "constant"})
    scores = iter([3.0, 9.0, 5.0])
    best = loop.train(replace(fit_line(constant, tmp_path / "c", tiny.Rows()), evaluator=score))
    assert same(best, loop.train(fit_line(until, tmp_path / "d", tiny.Rows())))


def test_accumulated_parts_make_the_step_of_the_whole_batch(train: Train, tmp_path: Path) -> None:
    networks = []
    for accumulate in (1, 2, 4):
        settings = train.model_copy(update={"accumulate": accumulate})
        one = fit_line(settings, tmp_path / str(accumulate), tiny.Rows())
        one.network[1].p = 0.0  # masks of dropout are drawn for each part
        networks.append(loop.train(one))
    for network in networks[1:]:
        for mine, other in zip(network.parameters(), networks[0].parameters(), strict=True):
            torch.testing.assert_close(mine, other, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"processes": 2}, "train.processes: 2 but torchrun started 1"),
        ({"accumulate": 3}, "train.batch: 4 cannot be shared by 1 processes in 3 parts"),
    ],
)
def test_batches_that_cannot_be_shared_are_refused(
    change: dict, message: str, train: Train, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        loop.train(fit_line(train.model_copy(update=change), tmp_path, tiny.Rows()))
