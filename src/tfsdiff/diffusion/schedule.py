"""Noise schedules: how much of the image is left after step t of T.

A noise level is stated by what is left: g = sqrt(alpha_bar), 1 for the clean image and near 0 for
almost pure noise. Sampling therefore goes through rising levels.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from tfsdiff.params import Diffusion, DrawnLevels, Spacing

FIRST_SHARE = 0.8  # of the levels drawn by `residual`: those of a sampler's first evaluation


@dataclass(frozen=True)
class Schedule:
    """Coefficients of the forward process, in double precision.

    Attributes:
        alpha_bar: (T + 1,) float64; share of signal power after t steps, from 1 strictly down to
            a value above 0.
    """

    alpha_bar: Tensor

    def __post_init__(self) -> None:
        values = self.alpha_bar.tolist()
        if values[0] != 1 or values[-1] <= 0 or any(b >= a for a, b in pairwise(values)):
            raise ValueError("alpha_bar must fall strictly from 1 and stay above 0")

    @property
    def T(self) -> int:
        """Number of noise levels, T of the paper."""
        return len(self.alpha_bar) - 1

    @property
    def noisiest(self) -> float:
        """The level g of step T, near 0."""
        return self.alpha_bar[-1].sqrt().item()

    def subsequence(
        self, evaluations: int, spacing: Spacing = "time", deviation: float = 1.0
    ) -> tuple[float, ...]:
        """Noise levels g = sqrt(alpha_bar) of a sampler that makes so many evaluations.

        Args:
            evaluations: of the network, at most T.
            spacing: `time`, evenly spaced in t; `logsnr`, evenly spaced in log-SNR, by the nearest
                steps of the schedule. The clean end, of infinite log-SNR, counts as step 1.
                `residual`, the noisiest level first, then evenly in log-SNR where the noise is
                neither so strong that it hides the residual nor so weak that nothing is left to
                decide.
            deviation: root mean square of the residual, of the spacing `residual` alone.

        Returns:
            `evaluations + 1` levels, strictly rising from step T to 1 (clean); of `time` and
            `logsnr` all of the schedule where `evaluations` is T.
        """
        if not 1 <= evaluations <= self.T:
            raise ValueError(
                f"a schedule of {self.T} noise levels cannot be sampled in {evaluations}"
            )
        if spacing == "residual":
            low, high = self._undecided(deviation)
            count = evaluations - 1
            places = [low + (high - low) * (i + 0.5) / count for i in range(count)]
            return (self.noisiest, *map(level_of, places), 1.0)
        if spacing == "time":
            indices = [round(self.T * i / evaluations) for i in range(evaluations, -1, -1)]
        else:
            indices = self._even_in_log_snr(evaluations)
        return tuple(self.alpha_bar[indices].sqrt().tolist())

    def _even_in_log_snr(self, evaluations: int) -> list[int]:
        """Steps t from T down to 0, `evaluations + 1` of them, all different."""
        log_snr = torch.logit(self.alpha_bar[1:])  # falls from step 1 to step T
        wanted = torch.linspace(log_snr[-1], log_snr[0], evaluations + 1, dtype=torch.float64)[:-1]
        nearest = (log_snr[:, None] - wanted).abs().argmin(0) + 1
        indices = [self.T]
        for done, t in enumerate(nearest.tolist()[1:], start=1):
            # Where the schedule is coarser than the spacing: the next free step, but leave enough.
            indices.append(max(min(t, indices[-1] - 1), evaluations - done))
        return [*indices, 0]

    def _undecided(self, deviation: float) -> tuple[float, float]:
        """Halves of the log-SNR between which noise and residual are of comparable size.

        With r of deviation s, noise of the deviation sigma relative to the image leaves the share
        sigma^2 / (s^2 + sigma^2) of its variance open: 98 % at the lower end, 0.2 % at the upper.
        """
        size = -math.log(deviation)
        lowest = half_log_snr(self.noisiest)
        return max(size - 2.0, lowest + 1e-3), size + 3.0

    def draw_levels(
        self,
        count: int,
        generator: torch.Generator,
        drawn: DrawnLevels = "time",
        deviation: float = 1.0,
    ) -> Tensor:
        """Draw noise levels for training: (count,) float64 in (0, 1).

        By `time` the step t is uniform in 1..T for each sample, and g uniform between
        sqrt(alpha_bar) of t - 1 and t (the continuous level of SR3, WaveGrad). The released code
        draws one t a batch. For a small residual most of these levels are alike: the noise hides it
        all. By `residual` four of five samples are at the noisiest level, where the first
        evaluation of a sampler is and an image of one evaluation is made, and one of five where
        the spacing `residual` puts all others.

        Args:
            count: number of levels.
            generator: of what is drawn.
            drawn: how.
            deviation: root mean square of the residual, of `residual` alone.
        """
        if drawn == "residual":
            low, high = self._undecided(deviation)
            u = torch.rand(count, 2, generator=generator, dtype=torch.float64)
            g = torch.sigmoid(2 * (low + (high - low) * u[:, 0])).sqrt()
            return torch.where(u[:, 1] < FIRST_SHARE, self.alpha_bar[-1].sqrt(), g)
        g = self.alpha_bar.sqrt()
        t = torch.randint(1, self.T + 1, (count,), generator=generator)
        u = torch.rand(count, generator=generator, dtype=torch.float64)
        return g[t] + u * (g[t - 1] - g[t])


def half_log_snr(g: float) -> float:
    """Half the log-SNR, lambda = log(g / sqrt(1 - g^2)), infinite for the clean image (g = 1)."""
    return math.inf if g == 1 else math.log(g) - 0.5 * math.log1p(-(g**2))


def level_of(half_log_snr: float) -> float:
    """The noise level g of half a log-SNR; undoes `half_log_snr`."""
    return math.sqrt(1 / (1 + math.exp(-2 * half_log_snr)))


def linear(noise_levels: int, beta_start: float, beta_end: float) -> Schedule:
    """Make the schedule of DDPM, SR3 and TFS-Diff: beta rises linearly over t = 1..T."""
    beta = torch.linspace(beta_start, beta_end, noise_levels, dtype=torch.float64)
    return Schedule(torch.cat([torch.ones(1, dtype=torch.float64), torch.cumprod(1 - beta, 0)]))


def cosine(noise_levels: int) -> Schedule:
    """Make the schedule of Nichol and Dhariwal (2021): their offset 0.008, beta at most 0.999."""
    t = torch.arange(noise_levels + 1, dtype=torch.float64) / noise_levels
    f = torch.cos((t + 0.008) / 1.008 * math.pi / 2) ** 2
    beta = (1 - f[1:] / f[:-1]).clamp(max=0.999)
    return Schedule(torch.cat([torch.ones(1, dtype=torch.float64), torch.cumprod(1 - beta, 0)]))


def make(settings: Diffusion) -> Schedule:
    """Make the schedule that `settings` name."""
    if settings.schedule == "linear":
        return linear(settings.noise_levels, settings.beta_start, settings.beta_end)
    return cosine(settings.noise_levels)
