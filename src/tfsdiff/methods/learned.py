"""Base class of methods with a network: weights, device, storing and loading."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tfsdiff.common.errors import InputError
from tfsdiff.core.backend import CPU, Backend
from tfsdiff.methods import checkpoints
from tfsdiff.methods.base import Imported, Method
from tfsdiff.params import validate


class LearnedMethod(Method):
    """A method that computes by a network.

    Attributes:
        network: with weights after a training or `restore`, on the device of `backend`; else None.
        backend: where the network computes.
        recipe: plain values that are stored beside the weights: how they came about, and what
            `new_network` needs of that.
    """

    learned = True

    network: nn.Module | None = None
    backend: Backend = CPU
    recipe: Mapping[str, Any]

    @abstractmethod
    def new_network(self, recipe: Mapping[str, Any]) -> nn.Module:
        """The network that settings and recipe describe, in the layout of stored weights.

        Its weights are drawn from torch's global generator; `restore` gives it others.

        Raises:
            InputError: the recipe lacks what the network is described by.
        """

    def set_network(self, network: nn.Module, recipe: Mapping[str, Any], backend: Backend) -> None:
        """Compute by `network`, which lies on the device of `backend`, from now on."""
        self.network, self.recipe, self.backend = network, recipe, backend

    def trained_network(self) -> nn.Module:
        """The network.

        Raises:
            ValueError: it has no weights yet.
        """
        if self.network is None:
            raise ValueError(f"{self.name} needs weights, by a training or `restore`")
        return self.network

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Weights, and the recipe."""
        if self.network is None:
            raise ValueError("nothing was learned yet")
        weights = self.network.state_dict()
        return {key: x.contiguous().cpu() for key, x in weights.items()}, dict(self.recipe)

    def restore(self, tensors: dict[str, Tensor], values: dict[str, Any], backend: Backend) -> None:
        """Take back what `state` gave, to compute by `backend`.

        Raises:
            InputError: names or shapes are not those of the network.
        """
        with torch.device("meta"):  # without memory: drawing weights that are replaced takes time
            network = self.new_network(values)
        network.to_empty(device=backend.device)
        try:
            network.load_state_dict(tensors)
        except RuntimeError as error:
            first = " ".join(str(error).split())[:200]
            raise InputError(f"weights do not fit their settings: {first}") from None
        backend.compile(backend.place(network.eval()))
        self.set_network(network, values, backend)

    @classmethod
    def recognise(
        cls,
        checkpoint: Path,
        tensors: dict[str, Tensor],
        official: Mapping[str, Any],
        sizes: Callable[[Mapping[str, Tensor]], dict[str, Any]],
    ) -> Imported:
        """Make of the `tensors` of a released checkpoint what `import_released` returns.

        Args:
            checkpoint: the file that they are of, for messages.
            tensors: by key.
            official: settings that compute the released results, without the network's sizes.
            sizes: reads the settings off the tensors that `official` lacks.

        Raises:
            InputError: keys, shapes or values are not those of such a network.
        """
        try:
            found = sizes(tensors)
            settings = validate({**official, **found}, cls.Settings, "the network cannot be built")
            with torch.device("meta"):
                network = cls(settings).new_network({})
            checkpoints.check(tensors, network.state_dict())
        except InputError as error:
            raise InputError(f"{checkpoint}: {error}") from None
        count = sum(parameter.numel() for parameter in network.parameters())
        words = ", ".join(f"{name} {value}" for name, value in found.items())
        return Imported({**official, **found}, tensors, {}, f"{count:,} parameters: {words}")
