import pytest
import torch

from tfsdiff.params import Train
from tfsdiff.training import optim
from tfsdiff.training.optim import Average, Optimiser


def test_learning_rate_warms_up_and_decays(train: Train) -> None:
    settings = train.model_copy(update={"steps": 100, "warmup_steps": 9, "learning_rate": 1.0})
    rates = [optim.learning_rate(step, settings) for step in range(100)]
    assert rates[:10] == pytest.approx([(i + 1) / 10 for i in range(10)])
    assert max(rates) == rates[9] == 1
    assert rates[9:] == sorted(rates[9:], reverse=True)
    assert 0 < rates[-1] < 0.001
    constant = settings.model_copy(update={"decay": "constant"})
    assert optim.learning_rate(99, constant) == 1


@pytest.mark.parametrize("kind", ["adam", "adamw", "muon"])
def test_optimiser_state_round_trip(kind: str, train: Train) -> None:
    """Also with weights that do not lie in memory in the order of their indices."""

    def made() -> tuple[torch.nn.Module, Optimiser]:
        layers = [torch.nn.Conv2d(5, 4, 3), torch.nn.Conv2d(4, 6, 3), torch.nn.Conv2d(6, 2, 1)]
        network = torch.nn.Sequential(*layers).to(memory_format=torch.channels_last)
        settings = train.model_copy(update={"optimiser": kind})
        return network, Optimiser([list(network.parameters())], settings)

    def update(network: torch.nn.Module, by: Optimiser, x: torch.Tensor) -> None:
        by.zero_grad()
        network(x).square().sum().backward()
        by.step()

    xs = torch.randn(3, 2, 5, 8, 8)
    first, by_first = made()
    update(first, by_first, xs[0])
    second, by_second = made()
    second.load_state_dict(first.state_dict())
    tensors = {k: v.clone().contiguous() for k, v in by_first.state_tensors().items()}
    by_second.restore_tensors(tensors)
    for x in xs[1:]:
        update(first, by_first, x)
        update(second, by_second, x)
    for one, other in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_muon_moves_hidden_convolutions_orthogonally(
    layout: torch.memory_format, train: Train
) -> None:
    """By its rate in every direction, about; the rest by Adam, at the rate of each."""
    layers = [torch.nn.Conv2d(3, 8, 3), torch.nn.Conv2d(8, 8, 3), torch.nn.Conv2d(8, 3, 3)]
    network = torch.nn.Sequential(*layers).to(memory_format=layout)
    settings = train.model_copy(update={"optimiser": "muon", "muon_rate": 0.5})
    optimiser = Optimiser([list(network.parameters())], settings)
    optimiser.set_learning_rates([settings.learning_rate / 2])
    before = [p.detach().clone() for p in network.parameters()]
    optimiser.zero_grad()
    network(torch.randn(2, 3, 12, 12)).square().mean().backward()
    optimiser.step()
    moved = {
        name: p.detach() - old
        for (name, p), old in zip(network.named_parameters(), before, strict=True)
    }
    singular = torch.linalg.svdvals(moved["1.weight"].flatten(1))
    assert (singular > 0.25 * 0.6).all()
    assert (singular < 0.25 * 1.4).all()
    assert moved["0.weight"].abs().max() <= settings.learning_rate / 2 * 1.01


def test_average_forgets_the_first_weights_and_settles_at_its_decay() -> None:
    network = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.constant_(network.weight, 5.0)
    average = Average(network, decay=0.9)
    torch.nn.init.constant_(network.weight, 1.0)
    average.update(step=1)
    assert average.network.weight.item() == pytest.approx(5 + (1 - 5) * (1 - 2 / 11))
    torch.nn.init.constant_(average.network.weight, 0.0)
    average.update(step=1000)
    assert average.network.weight.item() == pytest.approx(0.1)
    assert not average.network.weight.requires_grad
