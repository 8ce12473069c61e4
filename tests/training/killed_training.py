"""Run a tiny training that kills itself; a script, so that the kill is a real one.

Usage: killed_training.py FOLDER WHEN, where WHEN is `never`, `step N` or `save N`.
"""

import os
import signal
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

from tfsdiff.params import Diffusion, Train, UNet
from tfsdiff.training import checkpoint
from tfsdiff.training.conditional import ConditionalDiffusion, Design
from tfsdiff.training.recipe import Recipe

UNET = UNet(
    width=8,
    multipliers=(1, 2),
    blocks=1,
    attention_level=None,
    groups=4,
    dropout=0.1,
    initialisation="kaiming",
)
DIFFUSION = Diffusion(steps=20, schedule="linear", beta_start=1e-3, beta_end=0.3, prediction="eps")
TRAIN = Train(
    steps=9,
    batch=3,
    optimiser="adamw",
    learning_rate=1e-3,
    warmup_steps=2,
    decay="cosine",
    gradient_clip=1.0,
    ema_decay=0.9,
    crop_pixels=12,
    flip=True,
    checkpoint_steps=2,
    validation_steps=4,
)


def counting(function, deadly_call: int):
    """Wrap `function`: before its call number `deadly_call` returns, the process is killed."""
    calls = []

    def wrapped(*args, **keywords):
        calls.append(1)
        result = function(*args, **keywords)
        if len(calls) == deadly_call:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    return wrapped


def run(folder: Path, what: str, deadly_call: int) -> None:
    """Train in `folder`/checkpoints, and write the weights when alive at the end."""
    torch.set_num_threads(1)
    images = torch.rand(2, 5, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    design = Design(condition_channels=3, gate="all", gate_ratio=2, psf_mse=1, psf_ssim=1)
    model = ConditionalDiffusion(design, UNET, DIFFUSION, seed=4)
    if what == "step":
        model._terms = counting(model._terms, deadly_call)
    if what == "save":  # killed when the file is written, but not yet in its place
        checkpoint.save_file = counting(save_file, deadly_call)
    recipe = Recipe(UNET, DIFFUSION, TRAIN, 4, folder / "checkpoints")
    pairs = (images[0], images[1])
    model.fit("tiny", pairs, pairs, 2, recipe, torch.device("cpu"), lambda step, values: None)
    save_file(model.state(), folder / "weights.safetensors")


if __name__ == "__main__":
    run(Path(sys.argv[1]), sys.argv[2], int((sys.argv[3:] or [0])[0]))
