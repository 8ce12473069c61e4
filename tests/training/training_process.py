"""Train a tiny model in a process of its own, so that kills and torchrun are real.

Usage: training_process.py FOLDER [PROCESSES [KILL [DROPOUT]]]. FOLDER gets the weights at the end,
and FOLDER/step.log says a line a step. With KILL = N it is killed while the N-th checkpoint is
written; DROPOUT is in per cent.
"""

import os
import signal
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
from safetensors.torch import save_file

import tiny
from tfsdiff.common.errors import exit_code
from tfsdiff.core.backend import CPU
from tfsdiff.methods.conditional.model import ConditionalDiffusion, Design, Stack
from tfsdiff.methods.conditional.objective import Denoising
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
    design = Design(3, "all", 2, tiny.goal(psf_mse=1.0, psf_ssim=1.0))
    model = ConditionalDiffusion(design, unet, tiny.DIFFUSION, seed=4)
    stack = Stack(tuple("abcde"), images[0], images[1])
    loss, log = Denoising.loss, (folder / "step.log").open("a")

    def logged(*args):
        terms = loss(*args)
        if first and args[1].training:
            log.write("step\n")
            log.flush()
        return terms

    Denoising.loss = logged
    recipe = Recipe(4, folder / "checkpoints", unet, tiny.DIFFUSION, train)
    model.fit("tiny", stack, stack, 2, recipe, CPU, NullLog())
    if first:
        save_file(model.state(), folder / "weights.safetensors")


if __name__ == "__main__":
    words = [int(word) for word in sys.argv[2:]]
    sys.exit(exit_code(lambda: main(Path(sys.argv[1]), *words)))
