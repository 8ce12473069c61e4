"""What all methods with a network do alike: initial weights, and what they refuse."""

import pytest
import torch
from torch import nn

import tiny
from tfsdiff.common.errors import InputError
from tfsdiff.core.backend import CPU
from tfsdiff.methods import build
from tfsdiff.methods.fitting import initial_network, train_section
from tfsdiff.methods.learned import LearnedMethod
from tfsdiff.params import Section, Train


class Settings(Section):
    """Of the linear method."""

    width: int
    train: Train | None


class Linear(LearnedMethod):
    """A method with one matrix."""

    name = "linear"
    Settings = Settings

    def new_network(self, recipe: object = None) -> nn.Module:
        return nn.Linear(self.settings.width, 2)


def linear(width: int = 3, train: Train | None = tiny.TRAIN) -> Linear:
    return Linear(Settings(width=width, train=train))


def test_initial_weights_derive_from_the_seed_alone() -> None:
    torch.manual_seed(0)
    first = initial_network(linear().new_network, 7)
    after = torch.rand(1)
    torch.manual_seed(1)
    second = initial_network(linear().new_network, 7)
    third = initial_network(linear().new_network, 8)
    assert torch.equal(first.weight, second.weight)
    assert not torch.equal(first.weight, third.weight)
    torch.manual_seed(0)
    assert torch.equal(torch.rand(1), after)  # the caller's random numbers go on as before
    assert not first.training


def test_state_is_taken_back() -> None:
    method, other = linear(), linear()
    method.set_network(initial_network(method.new_network, 1), {"seed": 1}, CPU)
    tensors, recipe = method.state()
    other.restore(tensors, recipe, CPU)
    assert recipe == other.state()[1] == {"seed": 1}
    assert torch.equal(other.trained_network().weight, tensors["weight"])
    assert not other.network.training


def test_weights_of_another_network_are_refused_in_one_line() -> None:
    method = linear()
    method.set_network(initial_network(method.new_network, 1), {}, CPU)
    with pytest.raises(InputError, match="weights do not fit their settings") as error:
        linear(width=4).restore(*method.state(), CPU)
    assert "\n" not in str(error.value)


def test_without_weights_nothing_is_computed() -> None:
    with pytest.raises(ValueError, match="linear needs weights"):
        linear().trained_network()
    with pytest.raises(ValueError, match="nothing was learned"):
        linear().state()


def test_imported_methods_have_no_training() -> None:
    with pytest.raises(InputError, match=r"methods\.linear\.train is null"):
        train_section(linear(train=None))
    assert train_section(linear()) == tiny.TRAIN


def test_a_method_that_learns_nothing_has_an_empty_state() -> None:
    assert build("mean", {}, None).state() == ({}, {})
