from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tfsdiff.errors import InputError
from tfsdiff.params import Train
from tfsdiff.training import loop
from tfsdiff.training.checkpoint import Checkpoint


class Rows(list):
    """A log."""

    def __call__(self, step: int, values: dict[str, float]) -> None:
        self.append((step, values))


XS = torch.linspace(-1, 1, 7)[:, None]


def objective(network: nn.Module, indices: Tensor, noise: torch.Generator) -> dict[str, Tensor]:
    x = XS[indices]
    wanted = 2 * x + 1 + 0.01 * torch.randn(x.shape, generator=noise)
    return {"loss": (network(x) - wanted).square().mean()}


def validate(network: nn.Module) -> dict[str, float]:
    assert not network.training
    return {"loss": (network(XS) - 2 * XS - 1).square().mean().item()}


def job(settings: Train, folder: Path, log: Callable, goal: loop.Objective = objective) -> loop.Job:
    """Fit a line by a network with dropout, with noise from the generator of the step."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = nn.Sequential(nn.Linear(1, 8), nn.Dropout(0.2), nn.Linear(8, 1))
    checkpoint = Checkpoint(folder, "x")
    return loop.Job("line", network, goal, 7, validate, settings, 3, checkpoint, log)


class Stop(BaseException):
    """Stands for a kill."""


def stopping(at_call: int) -> loop.Objective:
    calls = []

    def goal(network: nn.Module, indices: Tensor, noise: torch.Generator) -> dict[str, Tensor]:
        calls.append(1)
        if len(calls) == at_call:
            raise Stop
        return objective(network, indices, noise)

    return goal


def same(a: nn.Module, b: nn.Module) -> bool:
    pairs = zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    return all(torch.equal(x, y) for x, y in pairs)


def test_batches_walk_through_permutations() -> None:
    walk = torch.cat([loop.batch_indices(step, batch=4, count=6, seed=1) for step in range(6)])
    epochs = walk.view(4, 6)
    assert torch.equal(epochs.sort(1).values, torch.arange(6).expand(4, 6))
    assert not torch.equal(epochs[0], epochs[1])
    assert len(loop.batch_indices(0, batch=15, count=6, seed=1)) == 15


def test_training_learns_and_logs(train: Train, tmp_path: Path) -> None:
    settings = train.model_copy(
        update={"steps": 200, "validation_steps": 80, "learning_rate": 0.05, "batch": 7}
    )
    rows = Rows()
    loop.train(job(settings, tmp_path, rows))
    assert [step for step, _ in rows] == [80, 160, 200]
    assert set(rows[0][1]) == {"train_loss", "validation_loss", "learning_rate"}
    assert rows[-1][1]["validation_loss"] < 0.05 < rows[0][1]["train_loss"]


@pytest.mark.parametrize("stops", [(4,), (3, 2, 1, 3)])
def test_resumed_training_is_the_uninterrupted_one(
    stops: tuple[int, ...], train: Train, tmp_path: Path
) -> None:
    whole, resumed = Rows(), Rows()
    expected = loop.train(job(train, tmp_path / "a", whole))
    for at_call in stops:
        with pytest.raises(Stop):
            loop.train(job(train, tmp_path / "b", Rows(), stopping(at_call)))
    network = loop.train(job(train, tmp_path / "b", resumed))
    assert same(network, expected)
    assert resumed == whole
    (tensors, values), (expected_tensors, expected_values) = (
        Checkpoint(tmp_path / name, "x").load() for name in "ba"
    )
    assert values == expected_values
    assert all(torch.equal(tensors[key], expected_tensors[key]) for key in expected_tensors)


def test_finished_training_is_not_repeated(train: Train, tmp_path: Path) -> None:
    expected = loop.train(job(train, tmp_path, Rows()))
    rows = Rows()
    assert same(loop.train(job(train, tmp_path, rows, stopping(1))), expected)
    assert [step for step, _ in rows] == [3, 6]


def test_global_generator_is_left_alone(train: Train, tmp_path: Path) -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    loop.train(job(train, tmp_path, Rows()))
    assert torch.equal(torch.rand(1), expected)


def test_loss_that_is_not_finite_stops_with_the_step(train: Train, tmp_path: Path) -> None:
    calls = []

    def goal(network: nn.Module, indices: Tensor, noise: torch.Generator) -> dict[str, Tensor]:
        calls.append(1)
        terms = objective(network, indices, noise)
        return {"loss": terms["loss"] * (float("nan") if len(calls) == 4 else 1)}

    with pytest.raises(InputError, match=r"line: loss is nan at step 4; lower train\."):
        loop.train(job(train, tmp_path, Rows(), goal))
    assert Checkpoint(tmp_path, "x").load()[1]["step"] == 2
