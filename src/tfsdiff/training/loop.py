"""The one training loop: any network, any task; resumable after a kill, bit for bit on a CPU.

Order of the data and all random numbers derive from (seed, step, place in the batch). What a step
computes therefore depends on weights and optimiser alone, and those are what a checkpoint holds; it
does not depend on how many processes or parts share a batch, but for the order of sums.
"""

import itertools
import math
import time
from typing import Any

import torch
from torch import Tensor, nn

from tfsdiff.common.errors import InputError
from tfsdiff.common.progress import progress
from tfsdiff.core.seeding import derive, generator
from tfsdiff.training import optimiser as optimisers
from tfsdiff.training.average import Average
from tfsdiff.training.checkpoint import BEST
from tfsdiff.training.feed import Later, Parts, feed
from tfsdiff.training.interrupt import requests
from tfsdiff.training.job import Job, Part, Turn
from tfsdiff.training.workers import Workers, launched, together


def train(job: Job) -> nn.Module:
    """Run `job`, from its checkpoint if there is one, and return the averaged network.

    Under `torchrun` every process of it calls this, and gets the same network.

    Raises:
        InputError: a term is not finite, the checkpoint cannot be written, or the batch cannot be
            shared as the settings say.
        Stopped: SIGTERM came, and the checkpoint is written.
    """
    settings = job.settings
    if not job.task.names:
        raise ValueError(f"{job.title}: there is nothing to learn from")
    if launched() != settings.processes:
        raise InputError(
            f"train.processes: {settings.processes} but torchrun started {launched()}; make them "
            "agree"
        )
    if settings.batch % (settings.processes * settings.accumulate):
        raise InputError(
            f"train.batch: {settings.batch} cannot be shared by {settings.processes} processes in "
            f"{settings.accumulate} parts each; make it a multiple of their product"
        )
    if launched() > 1 and len(job.task.parts) > 1:
        raise InputError(
            f"{job.title}: is trained in turns, which processes cannot share; set its "
            "train.processes to 1"
        )
    with together(job.backend) as workers:
        return _Training(job, workers).run()


class _Training:
    def __init__(self, job: Job, workers: Workers) -> None:
        self.job = job
        self.workers = workers
        self.average = Average(job.network, job.settings.ema_decay)
        self.parts = {part.prefix: _parameters(job.network, part) for part in job.task.parts}
        self.optimiser = optimisers.make(self.parts.values(), job.settings)
        job.backend.compile(job.network)
        self.shared = workers.share(job.network)
        self.step = 0  # steps done
        self.pending: tuple[list[str], Later] | None = None  # terms of the last step, not read yet
        self.sums: dict[str, float] = {}  # of the terms since the last row of the history
        self.history: list[tuple[int, dict[str, float]]] = []
        self.clock = 0.0

    def run(self) -> nn.Module:
        self._resume()
        steps = self.job.settings.steps
        batches = feed(range(self.step, steps), self._prepare, self.job.backend)
        bar = progress(batches, self.job.title, total=steps, initial=self.step)
        if self.step == steps and self.workers.first:  # killed between the last step and the end
            self.job.log.samples(self.job.judge(self.average.network)[1])
        with requests() as request:
            self.clock = time.perf_counter()
            for parts in bar:
                self._update(parts)
                stop = self.workers.any(bool(request))
                if self._is_due(self.job.settings.validation_steps):
                    self._note()
                if stop or self._is_due(self.job.settings.checkpoint_steps):
                    self._save()
                if stop:
                    request.obey(f"{self.job.title}: saved at step {self.step}, run again to go on")
        self.workers.wait()
        return self._result()

    def _is_due(self, every: int) -> bool:
        return self.step % every == 0 or self.step == self.job.settings.steps

    def _places(self) -> list[range]:
        """Places in the batch that this process computes, part by part."""
        settings = self.job.settings
        share = settings.batch // (settings.processes * settings.accumulate)
        parts = [self.workers.rank * settings.accumulate + i for i in range(settings.accumulate)]
        return [range(part * share, (part + 1) * share) for part in parts]

    def _prepare(self, step: int) -> Parts:
        job = self.job
        indices = batch_indices(step, job.settings.batch, len(job.task.names), job.seed)
        return [
            job.task.draw(
                indices[list(places)], [generator(job.seed, "step", step, p) for p in places]
            )
            for places in self._places()
        ]

    def _update(self, parts: Parts) -> None:
        job = self.job
        rate = optimisers.learning_rate(self.step, job.settings)
        rates = [rate * part.rate(self.step) for part in job.task.parts]
        optimisers.set_learning_rates(self.optimiser, rates)
        self.shared.train()
        made = [self._take(turn, parts) for turn in job.task.turns(self.step)]
        self._read()  # of the step before: this one is queued by now
        names = [name for terms, _ in made for name in terms]
        self.pending = names, Later(torch.cat([values for _, values in made]))
        self.step += 1
        self.average.update(self.step)

    def _take(self, turn: Turn, parts: Parts) -> tuple[list[str], Tensor]:
        """Make one update; names and values of its terms, the norm of the gradient last."""
        job, learning = self.job, [self.parts[prefix] for prefix in turn.parts]
        self.optimiser.zero_grad()
        if len(self.parts) > 1:  # the optimiser passes over what has no gradient
            job.network.requires_grad_(False)
            for parameter in itertools.chain(*learning):
                parameter.requires_grad_(True)
        made = [self._gradients(turn, *part) for part in zip(self._places(), parts, strict=True)]
        norms = []
        for parameters in learning:
            norms.append(
                nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
            )
            if job.settings.gradient_clip is not None:
                nn.utils.clip_grads_with_norm_(parameters, job.settings.gradient_clip, norms[-1])
        self.optimiser.step()
        norm = norms[0] if len(norms) == 1 else torch.stack(norms).norm()
        names = [*made[0][0], "gradient_norm"]
        values = torch.cat([sum(values for _, values in made), norm[None]])
        return [f"{turn.name}_{name}" if turn.name else name for name in names], values

    def _gradients(
        self, turn: Turn, places: range, inputs: tuple[Tensor, ...]
    ) -> tuple[list[str], Tensor]:
        """Add the gradients of one part of the batch; its terms, divided by the number of parts."""
        job = self.job
        devices = [job.backend.device] if job.backend.device.type == "cuda" else []
        last = places.stop == self._places()[-1].stop
        with torch.random.fork_rng(devices), self.workers.silent(self.shared, not last):
            # Dropout knows torch's global generator only.
            torch.manual_seed(derive(job.seed, "dropout", self.step, places.start))
            terms = turn.loss(self.shared, *inputs)
            (terms["loss"] / job.settings.accumulate).backward()
        values = torch.stack([x.detach() for x in terms.values()]) / job.settings.accumulate
        return list(terms), values

    def _read(self) -> None:
        """Take in the terms of the last step; refuse what is not finite."""
        if self.pending is None:
            return
        names, values = self.pending[0], self.pending[1].read()
        self.pending = None
        for name, value in zip(names, values, strict=True):
            if not math.isfinite(value):
                raise InputError(self._blame(name, value))
            self.sums[name] = self.sums.get(name, 0.0) + value

    def _blame(self, name: str, value: float) -> str:
        """What to say of a value that is not finite in the last step read."""
        job = self.job
        indices = batch_indices(self.step - 1, job.settings.batch, len(job.task.names), job.seed)
        mine = [job.task.names[indices[p]] for places in self._places() for p in places]
        return (
            f"{job.title}: {name} is {value} at step {self.step}, batch of {', '.join(mine)}; look "
            "at these images, lower train.learning_rate or set train.gradient_clip"
        )

    def _note(self) -> None:
        """Add a row to the history: mean terms since the last row, and the validation."""
        self._read()
        job, since = self.job, self.step - (self.history[-1][0] if self.history else 0)
        speed = since * job.settings.batch / (time.perf_counter() - self.clock)
        sums = self.workers.mean(torch.tensor(list(self.sums.values()), dtype=torch.float64))
        means = zip(self.sums, (sums / since).tolist(), strict=True)
        values = {f"train_{name}": mean for name, mean in means}
        values["learning_rate"] = self.optimiser.param_groups[0]["lr"]
        self.sums = {}
        if self.workers.first:
            numbers, grid = job.judge(self.average.network)
            values |= {f"validation_{name}": x for name, x in numbers.items()}
            if all(job.merit(numbers) > job.merit(_validation(row)) for _, row in self.history):
                job.checkpoint.save(self.average.network.state_dict(), {"step": self.step}, BEST)
            job.log.values(self.step, values)
            job.log.samples(grid)
            job.log.speed(self.step, speed)
        self.history.append((self.step, values))
        self.clock = time.perf_counter()

    def _save(self) -> None:
        self._read()
        if not self.workers.first:
            return
        tensors = {
            "network": self.job.network.state_dict(),
            "average": self.average.network.state_dict(),
            "optimiser": optimisers.state_tensors(self.optimiser),
        }
        flat = {f"{part}/{k}": v for part, state in tensors.items() for k, v in state.items()}
        values = {"step": self.step, "sums": self.sums, "history": self.history}
        started = time.perf_counter()
        self.job.checkpoint.save(flat, values)
        self.clock += time.perf_counter() - started

    def _resume(self) -> None:
        if self.workers.first:
            self.job.checkpoint.sweep()
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
        if self.workers.first:
            for step, row in self.history:
                self.job.log.values(step, row)

    def _result(self) -> nn.Module:
        """The averaged network at the end, or as it was at its best validation."""
        if self.job.settings.keep == "best":
            found = self.job.checkpoint.load(BEST)
            if found is None:
                raise InputError(
                    f"{self.job.checkpoint.folder / BEST}: is gone; run again, or set "
                    "train.keep=last"
                )
            self.average.network.load_state_dict(found[0])
        return self.average.network


def _parameters(network: nn.Module, part: Part) -> list[nn.Parameter]:
    return [p for name, p in network.named_parameters() if name.startswith(part.prefix)]


def _validation(row: dict[str, float]) -> dict[str, float]:
    """What the judge said, of a row of the history."""
    prefix = "validation_"
    return {k.removeprefix(prefix): value for k, value in row.items() if k.startswith(prefix)}


def batch_indices(step: int, batch: int, count: int, seed: int) -> Tensor:
    """Examples of training step `step` (0, 1, ...): (batch,) indices below `count`.

    Batches are consecutive pieces of an endless row of permutations, one an epoch.
    """
    places = range(step * batch, (step + 1) * batch)
    epochs = {place // count for place in places}
    orders = {e: torch.randperm(count, generator=generator(seed, "epoch", e)) for e in epochs}
    return torch.stack([orders[place // count][place % count] for place in places])
