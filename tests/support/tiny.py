"""Parameters of networks and trainings that take moments, and a log to look into."""

from typing import Any

import torch
from torch import Tensor

from tfsdiff.core.backend import CPU, Backend
from tfsdiff.diffusion.denoiser import Denoiser
from tfsdiff.methods import build, training_module
from tfsdiff.methods.base import Method
from tfsdiff.methods.conditional.method import ConditionalMethod
from tfsdiff.methods.conditional.training import initial_unet
from tfsdiff.params import Diffusion, Train, UNet

UNET = UNet(
    width=8,
    multipliers=(1, 2),
    blocks=1,
    attention_level=None,
    groups=4,
    dropout=0.0,
    initialisation="kaiming",
)
DIFFUSION = Diffusion(
    noise_levels=20,
    schedule="linear",
    beta_start=1e-3,
    beta_end=0.3,
    prediction="eps",
    levels="time",
)
TRAIN = Train(
    steps=6,
    batch=4,
    processes=1,
    accumulate=1,
    optimiser="adam",
    learning_rate=1e-3,
    muon_rate=0.02,
    warmup_steps=2,
    decay="cosine",
    gradient_clip=1.0,
    ema_decay=0.9,
    crop_pixels=None,
    augment="flip",
    checkpoint_steps=2,
    validation_steps=3,
    validation_images=2,
    validation_evaluations=2,
    keep="last",
)
SHARED: dict[str, Any] = {
    "process": "diffusion",
    "prediction": None,
    "noise_loss": "l2",
    "enlargement": "bicubic",
}
SR3: dict[str, Any] = SHARED | {"psf_weight": 0.0}
TFSDIFF: dict[str, Any] = SHARED | {
    "base": "maximum",
    "tmfa": "sources",
    "tmfa_ratio": 3,
    "psf": "estimate",
    "psf_weight": 1.0,
    "psf_mse": 1.0,
    "psf_ssim": 1.0,
    "psf_levels": "signal",
}


def with_weights(
    name: str, settings: dict[str, Any], unet: UNet, diffusion: Diffusion, lively: bool = True
) -> ConditionalMethod:
    """A conditional method with initial weights, whose first prediction is not zero if `lively`."""
    method = build(name, settings, 2)
    if lively:
        unet = unet.model_copy(update={"initialisation": "orthogonal"})
    noise = torch.Generator().manual_seed(1)
    network = initial_unet(
        method.condition_channels, unet, *method.gate, noise, method.ungated_channels
    )
    sections = {"unet": unet, "diffusion": diffusion}
    values = {key: section.model_dump(mode="json") for key, section in sections.items()}
    method.set_network(CPU.place(network), values, CPU)
    return method


def denoiser(method: ConditionalMethod, backend: Backend = CPU) -> Denoiser:
    """What `method` draws by."""
    return method.denoiser(method.trained_network(), method.recipe, backend)


def fit(method: Method, *arguments: Any) -> None:
    """Train `method` as the stage does: (train, validation, recipe, backend, log)."""
    training_module(method).fit(method, *arguments)


class Rows(list):
    """A log that keeps (step, values), and beside them the last samples and all speeds."""

    def __init__(self) -> None:
        super().__init__()
        self.sheet: Tensor | None = None
        self.speeds: list[float] = []

    def values(self, step: int, values: dict[str, float]) -> None:
        self.append((step, values))

    def samples(self, images: Tensor) -> None:
        self.sheet = images

    def speed(self, step: int, images_per_second: float) -> None:
        self.speeds.append(images_per_second)
