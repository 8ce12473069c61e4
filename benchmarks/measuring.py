"""What the benchmarks of networks share: sizes, and the best that this machine can do."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from tfsdiff import methods
from tfsdiff.common.errors import InputError
from tfsdiff.compose import compose
from tfsdiff.core import backend
from tfsdiff.core.backend import Backend
from tfsdiff.evaluation.measure import seconds
from tfsdiff.methods.conditional.network import ConditionalUNet
from tfsdiff.methods.conditional.training import initial_unet
from tfsdiff.methods.tfsdiff.method import TFSDiff
from tfsdiff.params import Compute, Diffusion, Precision, Train, UNet, validate

CONF = Path(__file__).parents[1] / "workflow" / "conf"
SIZES = {  # overrides of the parameters
    "small": ["profile=demo"],
    "wide": ["profile=demo", "unet.width=32"],
    "paper": ["profile=paper"],
}
TYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
MIB = 2**20


@dataclass(frozen=True)
class Model:
    """TFS-Diff as the parameters of a profile describe it."""

    method: TFSDiff
    unet: UNet
    diffusion: Diffusion
    train: Train

    @property
    def recipe(self) -> dict[str, Any]:
        """The sections that determine the network, as a training stores them."""
        sections = {"unet": self.unet, "diffusion": self.diffusion}
        return {name: section.model_dump(mode="json") for name, section in sections.items()}

    def initial_network(self) -> ConditionalUNet:
        """The network with initial weights; what it puts out does not matter here."""
        draw, channels = torch.Generator().manual_seed(0), self.method.condition_channels
        return initial_unet(channels, self.unet, *self.method.gate, draw)


def arguments(
    description: str, pixels: int, batch: int | None = None, batches: Sequence[int] = ()
) -> argparse.ArgumentParser:
    """Options that all benchmarks of networks have; `batch` is one number or a list of several."""
    parser = argparse.ArgumentParser(description=description)
    add = parser.add_argument
    add("--size", choices=SIZES, default="small", help="width 16, width 32, or the published one")
    add("--device", choices=("cpu", "cuda"), default="cpu")
    add("--threads", type=int, default=1, help="of the CPU")
    add("--pixels", type=int, default=pixels, help="side of the images")
    several = {"nargs": "+", "default": list(batches)} if batches else {"default": batch}
    add("--batch", type=int, help="images at a time", **several)
    add("--repeats", type=int, default=5, help="the best of so many counts")
    return parser


def model(size: str) -> Model:
    """Sections of the parameters of `size`."""
    values = compose(SIZES[size], CONF)
    unet, diffusion, train = (
        validate(values[name], section, name)
        for name, section in (("unet", UNet), ("diffusion", Diffusion), ("train", Train))
    )
    method = methods.build("tfsdiff", values["methods"]["tfsdiff"], 4)
    return Model(method, unet, diffusion, train)


def make_backend(device: str, threads: int, precision: Precision = "float32") -> Backend:
    """Backend of the pipeline; on a GPU the fastest kernels, as in the profile paper."""
    values = {"device": device, "threads": threads, "precision": precision, "compile": False}
    try:
        return backend.make(Compute(**values, deterministic=device == "cpu"))
    except InputError as error:
        sys.exit(str(error))


def peak_operations(device: torch.device, precision: Precision) -> float:
    """Operations a second of a large matrix product: what the device can do at best."""
    side = 8192 if device.type == "cuda" else 2048
    a, b = (torch.randn(side, side, device=device).to(TYPES[precision]) for _ in range(2))
    # Convolutions in float32 may use TF32 on a GPU, by PyTorch's default; so may this product then.
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32
    best = seconds(lambda: a @ b, device, 10)
    torch.backends.cuda.matmul.allow_tf32 = before
    return 2 * side**3 / best


def bandwidth(device: torch.device) -> float:
    """Bytes a second that a copy reads and writes, beyond all caches."""
    x = torch.ones((1024 if device.type == "cuda" else 128) * MIB // 4, device=device)
    y = torch.empty_like(x)
    return 2 * x.nbytes / seconds(lambda: y.copy_(x), device, 5)
