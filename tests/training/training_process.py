"""Train a tiny model in a process of its own, so that kills and torchrun are real.

Usage: training_process.py FOLDER [PROCESSES [KILL [DROPOUT]]]. FOLDER gets the weights at the end,
and FOLDER/step.log says a line a step. With KILL = N it is killed while the N-th checkpoint is
written; DROPOUT is in per cent.
"""

import os
import signal
import sys
from pathlib import Path
from types import SimpleNamespace

import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))
from safetensors.torch import save_file

import tiny
from tfsdiff.common.errors import exit_code
from tfsdiff.core.backend import CPU
from tfsdiff.methods import build
from tfsdiff.methods.conditional.method import ConditionalPairs
from tfsdiff.methods.conditional.training import DenoisingObjective, fit
from tfsdiff.training import checkpoint
from tfsdiff.training.log import NullLog, Recipe


def deadly(function, call: int):
    """Wrap `function`: before its call number `call` returns, the process is killed."""
    calls = []

    def wrapped(*args, **keywords):
        calls.append(1)
        result = function(*args, **keywords)
        if len(calls) == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    return wrapped


def main(folder: Path, processes: int = 1, kill: int = 0, dropout: int = 10) -> None:
    torch.set_num_threads(1)
    if kill:  # when the file is written, but not yet in its place
        checkpoint.save_file = deadly(save_file, kill)
    first = os.environ.get("RANK", "0") == "0"
    unet = tiny.UNET.model_copy(update={"dropout": dropout / 100})
    changes = {"steps": 40, "optimiser": "adamw", "crop_pixels": 12, "validation_steps": 7}
    train = tiny.TRAIN.model_copy(update=changes | {"processes": processes, "keep": "best"})
    images = torch.rand(2, 5, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    pairs = ConditionalPairs(tuple("abcde"), images[0].repeat(1, 3, 1, 1), images[1])
    method = build("tfsdiff", tiny.TFSDIFF, 2)
    method.pairs = lambda _: pairs
    loss, log = DenoisingObjective.loss, (folder / "step.log").open("a")

    def logged(*args):
        terms = loss(*args)
        if first and args[1].training:
            log.write("step\n")
            log.flush()
        return terms

    DenoisingObjective.loss = logged
    recipe = Recipe(4, folder / "checkpoints", unet, tiny.DIFFUSION, train)
    examples = SimpleNamespace(computed=())
    fit(method, examples, examples, recipe, CPU, NullLog())
    if first:
        save_file(method.state()[0], folder / "weights.safetensors")


if __name__ == "__main__":
    words = [int(word) for word in sys.argv[2:]]
    sys.exit(exit_code(lambda: main(Path(sys.argv[1]), *words)))
