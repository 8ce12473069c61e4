"""Parameters of networks and trainings that take moments, and a log to look into."""

from typing import Any

from torch import Tensor

from tfsdiff.methods import training_module
from tfsdiff.methods.base import Method
from tfsdiff.methods.conditional.objective import Goal
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
    noise_levels=20, schedule="linear", beta_start=1e-3, beta_end=0.3, prediction="eps"
)
TRAIN = Train(
    steps=6,
    batch=4,
    processes=1,
    accumulate=1,
    optimiser="adam",
    learning_rate=1e-3,
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
SR3 = {"process": "diffusion", "prediction": None, "noise_loss": "l2"}
TFSDIFF: dict[str, Any] = SR3 | {
    "base": "maximum",
    "tmfa": "sources",
    "tmfa_ratio": 3,
    "psf": "estimate",
    "psf_weight": 1.0,
    "psf_mse": 1.0,
    "psf_ssim": 1.0,
    "psf_levels": "signal",
}


def goal(**changes: Any) -> Goal:
    """Make the goal of SR3 (predicts eps, no L_PSF), but for the changes."""
    plain = Goal(
        process="diffusion",
        prediction="eps",
        base="maximum",
        norm="l2",
        psf="estimate",
        psf_mse=0.0,
        psf_ssim=0.0,
        psf_levels="signal",
    )
    return Goal(**(vars(plain) | changes))


def fit(method: Method, *arguments: Any) -> None:
    """Train `method` as the stage does: (train, validation, recipe, backend, log)."""
    training_module(method).fit(method, *arguments)


class Rows(list):
    """A log that keeps (step, values), and beside them the last samples and all speeds."""

    def __init__(self) -> None:
        super().__init__()
        self.grid: Tensor | None = None
        self.speeds: list[float] = []

    def values(self, step: int, values: dict[str, float]) -> None:
        self.append((step, values))

    def samples(self, images: Tensor) -> None:
        self.grid = images

    def speed(self, step: int, images_per_second: float) -> None:
        self.speeds.append(images_per_second)
