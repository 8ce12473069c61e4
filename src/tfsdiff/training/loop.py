"""The one training loop: any network, any objective; resumable after a kill, bit for bit on a CPU.

The order of the examples and all random numbers derive from (seed, step, place in the batch), see
`loader`. What a step computes therefore depends on weights and moments of the optimiser alone, and
those are what a checkpoint holds: a training that was killed goes on as if it had not been. Nor
does it depend on how many processes or micro-batches share a batch, but for the order of sums.
"""

import itertools
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tfsdiff.common.errors import InputError
from tfsdiff.common.progress import progress
from tfsdiff.common.signals import requests
from tfsdiff.core.backend import Backend
from tfsdiff.core.seeding import derive
from tfsdiff.params import Train
from tfsdiff.training import optim
from tfsdiff.training.checkpoint import BEST, Checkpoint, joined, parted
from tfsdiff.training.loader import Batch, Loader, PendingScalars
from tfsdiff.training.log import History, Log
from tfsdiff.training.parallel import Workers, check_shares, together

Terms = dict[str, Tensor]  # scalars of a loss by their names; "loss" is what is minimised
Evaluator = Callable[[nn.Module], tuple[dict[str, float], Tensor]]  # numbers, and a sheet of images


@dataclass(frozen=True)
class ParamGroup:
    """Parameters whose gradients are clipped together, and which may learn at a rate of their own.

    Attributes:
        prefix: of their names in the network; "" are all.
        rate: factor to the learning rate, by the step (0, 1, ...).
    """

    prefix: str = ""
    rate: Callable[[int], float] = lambda step: 1.0


@dataclass(frozen=True)
class Update:
    """One update of some groups; a step makes one, or several where adversaries take turns.

    Attributes:
        loss: from the network and the inputs that `draw` gave to terms, means over the batch.
        groups: prefixes of the groups that learn; all others are held.
        name: of the update, in front of the names of its terms in the log.
    """

    loss: Callable[..., Terms]
    groups: tuple[str, ...] = ("",)
    name: str = ""


class Objective(ABC):
    """What a network learns, and from which examples.

    By default every step makes one update of all parameters, which minimises `loss`.

    Attributes:
        groups: parameter groups, which together have all that learns.
    """

    groups: Sequence[ParamGroup] = (ParamGroup(),)

    @property
    @abstractmethod
    def names(self) -> Sequence[str]:
        """Names of the examples, for errors; their number is that of the examples."""

    @abstractmethod
    def draw(self, indices: Tensor, generators: Sequence[torch.Generator]) -> tuple[Tensor, ...]:
        """Inputs of the losses for the examples `indices` (B,), on the CPU; one generator each."""

    def updates(self, step: int) -> Sequence[Update]:
        """The updates that step `step` (0, 1, ...) makes, one after another."""
        return (Update(self.loss),)

    def loss(self, network: nn.Module, *inputs: Tensor) -> Terms:
        """Terms of the loss of the one update, means over the batch."""
        raise NotImplementedError


@dataclass(frozen=True)
class Training:
    """What the loop is given.

    Attributes:
        title: what to call the training in the progress bar and in errors.
        network: on its device; trained in place.
        objective: what to learn.
        evaluator: of the averaged network, on validation examples.
        settings: how long and how fast to learn, and how large batches are.
        seed: of all random numbers.
        checkpoint: where to resume from.
        log: takes means of the terms, and the validation, at every validation step.
        backend: where the network computes.
        selection: from the evaluator's numbers to a rank; the best are those of the highest.
    """

    title: str
    network: nn.Module
    objective: Objective
    evaluator: Evaluator
    settings: Train
    seed: int
    checkpoint: Checkpoint
    log: Log
    backend: Backend
    selection: Callable[[Mapping[str, float]], float]


def train(training: Training) -> nn.Module:
    """Run `training`, from its checkpoint if there is one, and return the averaged network.

    Under `torchrun` every process of it calls this, and gets the same network.

    Raises:
        InputError: a term is not finite, the checkpoint cannot be written, or the batch cannot be
            shared as the settings say.
        Stopped: SIGTERM came, and the checkpoint is written.
    """
    if not training.objective.names:
        raise ValueError(f"{training.title}: there is nothing to learn from")
    check_shares(training.settings, len(training.objective.groups), training.title)
    with together(training.backend) as workers:
        return _Loop(training, workers).run()


class _Loop:
    def __init__(self, training: Training, workers: Workers) -> None:
        self.training, self.settings, self.workers = training, training.settings, workers
        objective, network = training.objective, training.network
        # The average first: a network that is compiled or shared cannot be copied.
        self.average = optim.Average(network, self.settings.ema_decay)
        self.groups = {group.prefix: _parameters(network, group) for group in objective.groups}
        self.optimiser = optim.Optimiser(self.groups.values(), self.settings)
        self.loader = Loader(
            objective.draw,
            len(objective.names),
            self.settings,
            training.seed,
            training.backend,
            workers.rank,
        )
        training.backend.compile(network)
        self.shared = workers.share(network)
        self.step = 0  # steps done
        self.pending: tuple[list[str], PendingScalars] | None = None  # terms of the last step
        self.history = History()
        self.clock = 0.0

    def run(self) -> nn.Module:
        title, log = self.training.title, self.training.log
        self._resume()
        batches = self.loader.batches(self.step)
        bar = progress(batches, title, total=self.settings.steps, initial=self.step)
        if self.step == self.settings.steps and self.workers.first:
            # Killed between the last step and the end: the rows were logged again, the sheet not.
            log.samples(self.training.evaluator(self.average.network)[1])
        with requests() as request:
            self.clock = time.perf_counter()
            for batch in bar:
                self._advance(batch)
                # A signal may come to one process alone, but all must end after the same step.
                stop = self.workers.any(bool(request))
                if self._is_due(self.settings.validation_steps):
                    self._validate()
                if stop or self._is_due(self.settings.checkpoint_steps):
                    self._save()
                if stop:
                    request.obey(f"{title}: saved at step {self.step}, run again to go on")
        self.workers.wait()
        return self._result()

    def _is_due(self, every: int) -> bool:
        return self.step % every == 0 or self.step == self.settings.steps

    def _advance(self, batch: Batch) -> None:
        """Make one step: all of its updates, and the average of the weights after them."""
        objective = self.training.objective
        rate = optim.learning_rate(self.step, self.settings)
        rates = [rate * group.rate(self.step) for group in objective.groups]
        self.optimiser.set_learning_rates(rates)
        self.shared.train()
        made = [self._update(update, batch) for update in objective.updates(self.step)]
        # Only now, when this step is queued, are the terms of the step before read: reading them
        # at once would make the GPU wait for the CPU at every step. So a term that is not finite
        # is noticed a step late, yet before any of it is validated or saved, see `_read`.
        self._read()
        names = [name for terms, _ in made for name in terms]
        self.pending = names, PendingScalars(torch.cat([values for _, values in made]))
        self.step += 1
        self.average.update(self.step)

    def _update(self, update: Update, batch: Batch) -> tuple[list[str], Tensor]:
        """Make one update; names and values of its terms, the norm of the gradient last."""
        learning = [self.groups[prefix] for prefix in update.groups]
        self.optimiser.zero_grad()
        if len(self.groups) > 1:
            # What is held gets no gradient, and the optimiser passes over what has none: neither
            # its weights nor its moments change.
            self.training.network.requires_grad_(False)
            for parameter in itertools.chain(*learning):
                parameter.requires_grad_(True)
        places = self.loader.micro_batches()
        made = [self._gradients(update, *part) for part in zip(places, batch, strict=True)]
        norm = self._clip(learning)
        self.optimiser.step()
        names = [*made[0][0], "gradient_norm"]
        values = torch.cat([sum(values for _, values in made), norm[None]])
        return [f"{update.name}_{name}" if update.name else name for name in names], values

    def _gradients(
        self, update: Update, places: range, inputs: tuple[Tensor, ...]
    ) -> tuple[list[str], Tensor]:
        """Add the gradients of a micro-batch; its terms, divided by the number of micro-batches."""
        training, count = self.training, self.settings.accumulate
        devices = [training.backend.device] if training.backend.device.type == "cuda" else []
        # Processes exchange gradients once a step, with those of the last micro-batch.
        last = places.stop == self.loader.micro_batches()[-1].stop
        with torch.random.fork_rng(devices), self.workers.silent(self.shared, not last):
            # Dropout knows torch's global generator only: seed it by the step, as all else is.
            torch.manual_seed(derive(training.seed, "dropout", self.step, places.start))
            terms = update.loss(self.shared, *inputs)
            (terms["loss"] / count).backward()
        values = torch.stack([x.detach() for x in terms.values()]) / count
        return list(terms), values

    def _clip(self, learning: Sequence[Sequence[nn.Parameter]]) -> Tensor:
        """Clip the gradients of each group; the norm of all of them before.

        A group has a norm of its own: over all of them together, the one with large gradients, such
        as a discriminator beside its generator, would slow down the others.
        """
        norms = []
        for parameters in learning:
            norms.append(
                nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
            )
            if self.settings.gradient_clip is not None:
                nn.utils.clip_grads_with_norm_(parameters, self.settings.gradient_clip, norms[-1])
        return norms[0] if len(norms) == 1 else torch.stack(norms).norm()

    def _read(self) -> None:
        """Take in the terms of the last step; refuse what is not finite."""
        if self.pending is None:
            return
        names, values = self.pending[0], self.pending[1].read()
        self.pending = None
        for name, value in zip(names, values, strict=True):
            if not math.isfinite(value):
                raise InputError(self._blame(name, value))
            self.history.add(name, value)

    def _blame(self, name: str, value: float) -> str:
        """What to say of a value that is not finite in the last step read."""
        title, examples = self.training.title, self.training.objective.names
        mine = [examples[i] for i in self.loader.share(self.step - 1)]
        return (
            f"{title}: {name} is {value} at step {self.step}, batch of {', '.join(mine)}; look "
            "at these images, lower train.learning_rate or set train.gradient_clip"
        )

    def _validate(self) -> None:
        """Add a row to the history: mean terms since the last row, and the validation."""
        self._read()
        training, history = self.training, self.history
        since = self.step - history.last_step
        speed = since * self.settings.batch / (time.perf_counter() - self.clock)
        sums = history.take_sums()
        totals = self.workers.mean(torch.tensor(list(sums.values()), dtype=torch.float64))
        means = zip(sums, (totals / since).tolist(), strict=True)
        values = {f"train_{name}": mean for name, mean in means}
        values["learning_rate"] = self.optimiser.learning_rate
        if self.workers.first:
            numbers, sheet = training.evaluator(self.average.network)
            values |= {f"validation_{name}": x for name, x in numbers.items()}
            if history.is_best(numbers, training.selection):
                state = self.average.network.state_dict()
                training.checkpoint.save(state, {"step": self.step}, BEST)
            training.log.values(self.step, values)
            training.log.samples(sheet)
            training.log.speed(self.step, speed)
        history.rows.append((self.step, values))
        self.clock = time.perf_counter()

    def _save(self) -> None:
        self._read()
        if not self.workers.first:
            return
        states = {
            "network": self.training.network.state_dict(),
            "average": self.average.network.state_dict(),
            "optimiser": self.optimiser.state_tensors(),
        }
        values = {"step": self.step, "sums": self.history.sums, "history": self.history.rows}
        started = time.perf_counter()
        self.training.checkpoint.save(joined(states), values)
        self.clock += time.perf_counter() - started

    def _resume(self) -> None:
        training = self.training
        if self.workers.first:
            training.checkpoint.sweep()
        found = training.checkpoint.load()
        if found is None:
            return
        states, values = parted(found[0]), found[1]
        training.network.load_state_dict(states["network"])
        self.average.network.load_state_dict(states["average"])
        self.optimiser.restore_tensors(states["optimiser"])
        self.step = values["step"]
        self.history = History([(step, row) for step, row in values["history"]], values["sums"])
        if self.workers.first:
            for step, row in self.history.rows:
                training.log.values(step, row)

    def _result(self) -> nn.Module:
        """The averaged network at the end, or as it was at its best validation."""
        if self.settings.keep == "best":
            checkpoint = self.training.checkpoint
            found = checkpoint.load(BEST)
            if found is None:
                raise InputError(
                    f"{checkpoint.folder / BEST}: is missing; run again, or set train.keep=last"
                )
            self.average.network.load_state_dict(found[0])
        return self.average.network


def _parameters(network: nn.Module, group: ParamGroup) -> list[nn.Parameter]:
    return [p for name, p in network.named_parameters() if name.startswith(group.prefix)]
