"""The prior of DDFM: an unconditional diffusion of RGB images, as an estimate of x_0."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from tfsdiff.core.backend import Backend
from tfsdiff.diffusion.denoiser import Parametrisation
from tfsdiff.diffusion.schedule import Schedule, linear

RGB = 3
NOISE_LEVELS = 1000  # T; with the schedule it belongs to the weights, which leave no trace of it
SCHEDULE = linear(NOISE_LEVELS, 1e-4, 2e-2)
PARAMETRISATION = Parametrisation("eps")

Estimate = Callable[[Tensor, float], Tensor]  # of x_0 in [-1, 1], from x_g and the noise level g


def evenly_spaced(schedule: Schedule, evaluations: int) -> tuple[float, ...]:
    """Noise levels g of a chain: of evenly spaced steps t, both ends of the schedule among them.

    The rule of the released code, round(k (T - 1) / (n - 1)) for t in 0..T - 1; one evaluation is
    at T - 1. `Schedule.subsequence` differs: its first step is one spacing away from the clean end.

    Returns:
        `evaluations` rising levels, and 1, the clean image.
    """
    last = schedule.T - 1
    if not 1 <= evaluations <= schedule.T:
        raise ValueError(
            f"a schedule of {schedule.T} noise levels cannot be drawn in {evaluations}"
        )
    gaps = max(evaluations - 1, 1)
    steps = [round(last * k / gaps) for k in range(evaluations)] if evaluations > 1 else [last]
    levels = schedule.alpha_bar[[t + 1 for t in reversed(steps)]].sqrt()
    return (*levels.tolist(), 1.0)


def step_of(schedule: Schedule, g: float) -> int:
    """The step t in 0..T - 1 that the network is told for g, a noise level of the schedule."""
    return int((schedule.alpha_bar[1:].sqrt() - g).abs().argmin())


def estimator(network: nn.Module, schedule: Schedule, backend: Backend) -> Estimate:
    """Make an estimate of x_0, clamped to [-1, 1], of a network that predicts the noise."""

    def estimate(x: Tensor, g: float) -> Tensor:
        t = torch.full((len(x),), step_of(schedule, g), device=x.device)
        with backend.autocast():
            eps = network(x, t)[:, :RGB].float()  # a learned variance, if any, is not used
        return PARAMETRISATION.x_0(eps, x, torch.tensor([g], dtype=torch.float64))

    return estimate
