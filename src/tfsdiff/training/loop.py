"""The one training loop: any network, any objective; resumable after a kill, bit for bit on a CPU.

Order of the data and all random numbers derive from (seed, step). What a step computes therefore
depends on weights and optimiser alone, and those are what a checkpoint holds.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from tfsdiff.errors import InputError
from tfsdiff.params import Train
from tfsdiff.progress import progress
from tfsdiff.seeding import derive, generator
from tfsdiff.training import optimiser as optimisers
from tfsdiff.training.average import Average
from tfsdiff.training.checkpoint import Checkpoint
from tfsdiff.training.recipe import Log


class Objective(Protocol):
    """Loss of a network on some examples."""

    def __call__(
        self, network: nn.Module, indices: Tensor, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Terms of the loss on the examples `indices` (B,); "loss" is what is minimised."""


@dataclass(frozen=True)
class Job:
    """A training.

    Attributes:
        title: what to call it in the progress bar and in errors.
        network: on its device; trained in place.
        objective: the loss on training examples.
        count: number of training examples.
        validate: numbers of a network (the average) on validation examples.
        settings, seed: the recipe.
        checkpoint: where to resume from.
        log: takes means of the loss terms and the validation at every validation step.
    """

    title: str
    network: nn.Module
    objective: Objective
    count: int
    validate: Callable[[nn.Module], dict[str, float]]
    settings: Train
    seed: int
    checkpoint: Checkpoint
    log: Log


def train(job: Job) -> nn.Module:
    """Run `job`, from its checkpoint if there is one, and return the averaged network."""
    if job.count < 1:
        raise ValueError(f"{job.title}: there is nothing to learn from")
    return _Training(job).run()


class _Training:
    def __init__(self, job: Job) -> None:
        self.job = job
        self.average = Average(job.network, job.settings.ema_decay)
        self.optimiser = optimisers.make(job.network.parameters(), job.settings)
        self.step = 0  # steps done
        self.sums: dict[str, float] = {}  # of the loss terms since the last row of the history
        self.history: list[tuple[int, dict[str, float]]] = []

    def run(self) -> nn.Module:
        self._resume()
        steps = self.job.settings.steps
        bar = progress(range(self.step, steps), self.job.title, total=steps, initial=self.step)
        for _ in bar:
            self._update()
            if self._is_due(self.job.settings.validation_steps):
                self._note()
            if self._is_due(self.job.settings.checkpoint_steps):
                self._save()
        return self.average.network

    def _is_due(self, every: int) -> bool:
        return self.step % every == 0 or self.step == self.job.settings.steps

    def _update(self) -> None:
        job, parameters = self.job, list(self.job.network.parameters())
        devices = [parameters[0].device] if parameters[0].is_cuda else []
        optimisers.set_learning_rate(
            self.optimiser, optimisers.learning_rate(self.step, job.settings)
        )
        noise = generator(job.seed, "step", self.step)
        indices = batch_indices(self.step, job.settings.batch, job.count, job.seed)
        with torch.random.fork_rng(devices):  # dropout knows torch's global generator only
            torch.manual_seed(derive(job.seed, "dropout", self.step))
            terms = job.objective(job.network.train(), indices, noise)
            self.optimiser.zero_grad()
            terms["loss"].backward()
        if job.settings.gradient_clip is not None:
            nn.utils.clip_grad_norm_(parameters, job.settings.gradient_clip)
        self.optimiser.step()
        self.step += 1
        self.average.update(self.step)
        self._add(terms)

    def _add(self, terms: dict[str, Tensor]) -> None:
        for name, value in terms.items():
            number = value.item()
            if not math.isfinite(number):
                raise InputError(
                    f"{self.job.title}: {name} is {number} at step {self.step}; "
                    "lower train.learning_rate or set train.gradient_clip"
                )
            self.sums[name] = self.sums.get(name, 0.0) + number

    def _note(self) -> None:
        """Add a row to the history: mean loss terms since the last row, and the validation."""
        since = self.step - (self.history[-1][0] if self.history else 0)
        values = {f"train_{name}": total / since for name, total in self.sums.items()}
        values |= {f"validation_{k}": v for k, v in self.job.validate(self.average.network).items()}
        values["learning_rate"] = self.optimiser.param_groups[0]["lr"]
        self.history.append((self.step, values))
        self.sums = {}
        self.job.log(self.step, values)

    def _save(self) -> None:
        tensors = {
            "network": self.job.network.state_dict(),
            "average": self.average.network.state_dict(),
            "optimiser": optimisers.state_tensors(self.optimiser),
        }
        flat = {f"{part}/{k}": v for part, state in tensors.items() for k, v in state.items()}
        values = {"step": self.step, "sums": self.sums, "history": self.history}
        self.job.checkpoint.save(flat, values)

    def _resume(self) -> None:
        found = self.job.checkpoint.load()
        if found is None:
            return
        tensors, values = found
        parts: dict[str, dict[str, Any]] = {"network": {}, "average": {}, "optimiser": {}}
        for key, tensor in tensors.items():
            part, name = key.split("/", 1)
            parts[part][name] = tensor
        self.job.network.load_state_dict(parts["network"])
        self.average.network.load_state_dict(parts["average"])
        optimisers.restore_tensors(self.optimiser, parts["optimiser"])
        self.step, self.sums = values["step"], values["sums"]
        self.history = [(step, row) for step, row in values["history"]]
        for step, row in self.history:
            self.job.log(step, row)


def batch_indices(step: int, batch: int, count: int, seed: int) -> Tensor:
    """Examples of training step `step` (0, 1, ...): (batch,) indices below `count`.

    Batches are consecutive pieces of an endless row of permutations, one an epoch.
    """
    places = range(step * batch, (step + 1) * batch)
    epochs = {place // count for place in places}
    orders = {e: torch.randperm(count, generator=generator(seed, "epoch", e)) for e in epochs}
    return torch.stack([orders[place // count][place % count] for place in places])
