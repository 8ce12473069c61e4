"""What a network predicts (eps, v, x0, a residual), and how the clean image x_0 follows from it.

A noisy image at level g = sqrt(alpha_bar) is x_g = g x_0 + sqrt(1 - g^2) eps, with standard normal
eps. Images are in [-1, 1]. Noise levels g are float64 tensors (B,): 1 - g^2 cancels in single
precision. A `Denoiser` estimates x_0 from (condition, x_g, g); losses and samplers see nothing else
of a network.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tfsdiff.common.errors import InputError
from tfsdiff.core.backend import Backend
from tfsdiff.core.tensors import CHANNELS, luminance
from tfsdiff.diffusion.padding import pad_to_multiple
from tfsdiff.diffusion.samplers import SAMPLERS
from tfsdiff.diffusion.schedule import Schedule
from tfsdiff.params import Prediction, Sampling

Base = Literal["maximum", "mean", "last"]
Process = Literal["diffusion", "regression"]


@dataclass(frozen=True)
class ResidualSize:
    """How large the residual to the first guess is, by the contrast around a pixel.

    The contrast is the largest difference of luminance within a window, in any image of the
    condition. Its deviation is interpolated in `deviations`, those at the contrasts
    LEVEL (2^k - 1) for k = 0, 1, ...

    Attributes:
        overall: root mean square of the residual over all pixels, in [-1, 1].
        deviations: root mean square at rising contrasts; empty: everywhere `overall`.
        window: side of the window in pixels, odd.
    """

    overall: float = 1.0
    deviations: tuple[float, ...] = ()
    window: int = 1

    def deviation(self, condition: Tensor) -> Tensor:
        """Deviation of the residual at each pixel: (B, 1, H, W)."""
        if not self.deviations:
            return condition.new_full((len(condition), 1, 1, 1), self.overall)
        place = contrast(condition, self.window)
        table = condition.new_tensor(self.deviations)
        below = place.long().clamp(max=len(table) - 2)
        return torch.lerp(table[below], table[below + 1], place - below)

    @classmethod
    def measure(
        cls, pairs: Iterable[tuple[Tensor, Tensor]], base: Base, window: int
    ) -> "ResidualSize":
        """Measure it on conditions (C, H, W) and images (3, H, W), all in [-1, 1].

        Rounded to four digits, so that the order of a sum over all pixels changes no weight.
        """
        sums = torch.zeros(2, CONTRASTS, dtype=torch.float64)
        for condition, image in pairs:
            condition = condition[None].float()
            squares = (image.float() - first_guess(condition, base)).square().mean(1).double()
            place = contrast(condition, window)[:, 0].double()
            below = place.long().clamp(max=CONTRASTS - 2)
            for step, share in ((0, 1 - (place - below)), (1, place - below)):
                for row, values in enumerate((squares * share, share)):
                    sums[row].index_add_(0, (below + step).flatten(), values.flatten())
        squares, counts = sums
        overall = (squares.sum() / counts.sum()).sqrt().item()
        found = torch.where(counts > 0, squares / counts.clamp(min=1e-9), squares.new_tensor(0.0))
        found = found.sqrt().clamp(min=SMALLEST_DEVIATION).tolist()
        digits = [float(f"{value:.4g}") for value in (max(overall, SMALLEST_DEVIATION), *found)]
        return cls(digits[0], tuple(digits[1:]), window)


LEVEL = 2 / 255  # of 8 bits, in [-1, 1]
CONTRASTS = 9  # from none to the whole range: LEVEL (2^8 - 1) = 2
SMALLEST_DEVIATION = LEVEL / 4  # images are rounded to levels: never less is open


def _maximum(images: Tensor, window: int) -> Tensor:
    """Largest value in the window around each pixel, by rows, then columns."""
    reach = window // 2
    rows = F.max_pool2d(images, (1, window), 1, (0, reach))
    return F.max_pool2d(rows, (window, 1), 1, (reach, 0))


def contrast(condition: Tensor, window: int) -> Tensor:
    """Place of each pixel among the contrasts of a `ResidualSize`: (B, 1, H, W) in [0, 8].

    Args:
        condition: (B, 3 n, H, W) in [-1, 1].
        window: side, odd; cut off at the borders.
    """
    light = luminance(condition.unflatten(1, (-1, CHANNELS)))[:, :, 0]
    extent = (_maximum(light, window) + _maximum(-light, window)).amax(1, keepdim=True)
    return torch.log2(extent / LEVEL + 1).clamp(max=CONTRASTS - 1)


@dataclass(frozen=True)
class Parametrisation:
    """What a network is shown of a noisy image, what it puts out, and how x_0 follows.

    Attributes:
        kind: `eps`, the noise; `x0`, the image itself; `v`, which is g eps - sqrt(1 - g^2) x_0
            (Salimans and Ho 2022, progressive distillation); `residual`, what the image adds to a
            first guess of it that is made from the condition; `preconditioned`, the same in units
            in which it has unit variance at every noise level, see `posterior`.
        base: how the first guess is made, of `residual` and `preconditioned` alone.
        residual: how large the residual is; of `preconditioned` alone.
    """

    kind: Prediction
    base: Base = "maximum"
    residual: ResidualSize = ResidualSize()

    def shown(self, x_g: Tensor, g: Tensor, condition: Tensor) -> Tensor:
        """What the network sees of x_g: (B, 3, H, W)."""
        if self.kind != "preconditioned":
            return x_g
        return self.posterior(x_g, g, condition)[0]

    def target(self, x_0: Tensor, eps: Tensor, g: Tensor, condition: Tensor) -> Tensor:
        """What the network should put out for x_g: (B, 3, H, W)."""
        if self.kind == "eps":
            return eps
        if self.kind == "x0":
            return x_0
        if self.kind == "residual":
            return x_0 - first_guess(condition, self.base)
        if self.kind == "preconditioned":
            mean, deviation = self.posterior(q_sample(x_0, eps, g), g, condition)
            return (x_0 - mean) / deviation
        signal, noise = coefficients(g, x_0)
        return signal * eps - noise * x_0

    def x_0(
        self, output: Tensor, x_g: Tensor, g: Tensor, condition: Tensor | None = None
    ) -> Tensor:
        """Estimate of x_0 from what the network put out, clamped to [-1, 1] as SR3 does.

        Args:
            output: of the network, (B, 3, H, W).
            x_g: the noisy image.
            g: (B,) levels of its noise.
            condition: what the network was given beside, (B, C, H, W); only `residual` and
                `preconditioned` look at it.
        """
        if self.kind == "x0":
            return output.clamp(-1, 1)
        if self.kind == "residual":
            # The sources show most of the image: the network has to learn the rest alone, and its
            # error is that of the estimate at every noise level.
            return (first_guess(condition, self.base) + output).clamp(-1, 1)
        if self.kind == "preconditioned":
            mean, deviation = self.posterior(x_g, g, condition)
            return (mean + deviation * output).clamp(-1, 1)
        signal, noise = coefficients(g, x_g)
        if self.kind == "eps":
            # The network's error grows by sqrt(1 - g^2) / g, without bound near pure noise; there
            # the clamp is what keeps a chain together.
            return ((x_g - noise * output) / signal).clamp(-1, 1)
        return (signal * x_g - noise * output).clamp(-1, 1)

    def weight(self, condition: Tensor) -> Tensor | float:
        """Weight of each pixel in the noise objective: (B, 1, H, W) with the mean of about 1.

        Where the output is in units of a deviation that differs from pixel to pixel, squared errors
        are weighted back, so that those of the image count alike.
        """
        if self.kind != "preconditioned":
            return 1.0
        return (self.residual.deviation(condition) / self.residual.overall) ** 2

    def posterior(self, x_g: Tensor, g: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Mean (B, 3, H, W) and deviation (B, 1, H, W) of x_0, were its residual Gaussian.

        For x_0 = base + r, with r of variance s^2 at a pixel, Bayes' rule gives
        E[x_0 | x_g] = base + g s^2 / (g^2 s^2 + 1 - g^2) (x_g - g base) and the variance
        s^2 (1 - g^2) / (g^2 s^2 + 1 - g^2). The network is shown this mean, which is the first
        guess in pure noise and x_g in none, and puts out how far off it is, in deviations: a target
        of unit variance whatever the level and the size of the residual. Without that a small
        residual is drowned: a step of the optimiser moves the output by more than there is to
        learn. EDM (Karras et al. 2022, table 1) preconditions likewise for images of zero mean.

        s differs from pixel to pixel. Where the condition is plain, the guess is right and the mean
        stays with it, whatever the noise; with one s for all pixels, a network would have to
        cancel the noise of plain background itself, and what it leaves there ruins the SSIM of
        images that were drawn in many evaluations.
        """
        base = first_guess(condition, self.base)
        variance = self.residual.deviation(condition) ** 2
        signal, noise = coefficients(g, x_g)
        total = signal**2 * variance + noise**2
        mean = base + signal * variance / total * (x_g - signal * base)
        return mean, noise * (variance / total).sqrt()


class Estimate(NamedTuple):
    """What a denoiser returns, both (B, 3, H, W) in float32.

    Attributes:
        output: of the network as it is, on which the noise objective is defined.
        x_0: the estimate of the image in [-1, 1] that follows from it.
    """

    output: Tensor
    x_0: Tensor


class Denoiser(nn.Module):
    """Estimates x_0, and draws images by that.

    Args:
        network: maps (condition, x_g, g) to (B, 3, H, W); its `multiple` is the number of pixels
            that height and width must be multiples of.
        parametrisation: what the network puts out.
        schedule: noise levels of the diffusion.
        backend: where the network computes.
    """

    def __init__(
        self,
        network: nn.Module,
        parametrisation: Parametrisation,
        schedule: Schedule,
        backend: Backend,
    ) -> None:
        super().__init__()
        self.network = network
        self.parametrisation = parametrisation
        self.schedule = schedule
        self.backend = backend

    def compile(self) -> None:
        """Compile the network alone: the rest is little work, and partly in float64."""
        self.network.compile()

    def forward(self, condition: Tensor, x_g: Tensor, g: Tensor) -> Estimate:
        """Estimate x_0.

        Args:
            condition: (B, C, H, W) in [-1, 1].
            x_g: noisy images, (B, 3, H, W).
            g: (B,) noise levels in (0, 1], float64.
        """
        shown = self.parametrisation.shown(x_g, g, condition)
        with self.backend.autocast():
            output = self.network(condition, shown, g)
        output = output.float()
        return Estimate(output, self.parametrisation.x_0(output, x_g, g, condition))

    def levels(self, sampling: Sampling) -> tuple[float, ...]:
        """Rising noise levels of the evaluations that draw an image, and 1, the clean image."""
        return self.schedule.subsequence(
            sampling.evaluations, sampling.spacing, self.parametrisation.residual.overall
        )

    def sample(
        self, condition: Tensor, generators: Sequence[torch.Generator], sampling: Sampling
    ) -> Tensor:
        """Draw an image for each condition.

        Args:
            condition: (B, C, H, W) in [0, 1], any H and W.
            generators: one an image.
            sampling: sampler, number of evaluations, images at a time.

        Returns:
            (B, 3, H, W) in [0, 1], on the device of `condition`.

        Raises:
            InputError: more evaluations are asked for than the diffusion has noise levels.
        """
        if sampling.evaluations > self.schedule.T:
            raise InputError(
                f"sampling.evaluations: {sampling.evaluations} is more than the {self.schedule.T} "
                "noise levels of the diffusion; lower it"
            )
        if len(generators) != len(condition):
            raise ValueError(f"{len(generators)} generators for {len(condition)} images")
        height, width = condition.shape[-2:]
        parts = []
        for i in range(0, len(condition), sampling.batch):
            padded = pad_to_multiple(
                2 * condition[i : i + sampling.batch] - 1, self.network.multiple
            )
            x = self.draw(padded, generators[i : i + sampling.batch], sampling)
            parts.append(((x[..., :height, :width] + 1) / 2).to(condition.device))
        return torch.cat(parts) if parts else condition[:, :CHANNELS]

    @torch.inference_mode()
    def draw(
        self, condition: Tensor, generators: Sequence[torch.Generator], sampling: Sampling
    ) -> Tensor:
        """Draw a batch: condition and result in [-1, 1], sides as the network needs them."""
        device = self.backend.device
        condition = condition.to(device).contiguous(memory_format=torch.channels_last)

        def denoise(x_g: Tensor, level: float) -> Tensor:
            g = torch.full((len(x_g),), level, dtype=torch.float64, device=device)
            return self(condition, x_g, g).x_0

        shape, levels = (CHANNELS, *condition.shape[-2:]), self.levels(sampling)
        sampler, heat = SAMPLERS[sampling.sampler], sampling.temperature
        return sampler(denoise, shape, levels, generators, device, heat).clamp(-1, 1)


class Regression(Denoiser):
    """The control without diffusion: estimates x_0 from the condition alone, in one evaluation.

    Whatever noisy image it is given, its network sees none, at the level of (almost) pure noise.
    From there samplers reach the clean image in one step, which is the estimate.
    """

    def forward(self, condition: Tensor, x_g: Tensor, g: Tensor) -> Estimate:
        """Estimate x_0 from the condition; arguments as for any denoiser."""
        nothing = torch.full_like(g, self.schedule.noisiest)
        return super().forward(condition, torch.zeros_like(x_g), nothing)

    def levels(self, sampling: Sampling) -> tuple[float, ...]:
        """One evaluation, however many are asked for."""
        return self.schedule.noisiest, 1.0


DENOISERS: dict[Process, type[Denoiser]] = {"diffusion": Denoiser, "regression": Regression}


def q_sample(x_0: Tensor, eps: Tensor, g: Tensor) -> Tensor:
    """Noisy image x_g at level g."""
    signal, noise = coefficients(g, x_0)
    return signal * x_0 + noise * eps


def coefficients(g: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
    """Factors of image and noise, g and sqrt(1 - g^2), shaped to multiply `like` (B, C, H, W)."""
    noise = (1 - g.double() ** 2).clamp(min=0).sqrt()
    shape = (-1, *[1] * (like.ndim - 1))
    return g.to(like).view(shape), noise.to(like).view(shape)


def first_guess(condition: Tensor, base: Base) -> Tensor:
    """First guess of the image from its condition.

    `maximum` and `mean` of luminance keep the colour of the last image, the functional one; a
    single image is its own first guess.

    Args:
        condition: (B, 3 n, H, W) in [-1, 1].
        base: the brightest luminance of the images at each pixel, or their mean; `last`: the last
            image itself, where a better guess is part of the condition.

    Returns:
        (B, 3, H, W) in [-1, 1].
    """
    if base == "last":
        return condition[:, -CHANNELS:]
    images = condition.unflatten(1, (-1, CHANNELS))
    light = luminance(images)  # (B, n, 1, H, W)
    merged = light.amax(1) if base == "maximum" else light.mean(1)
    return (images[:, -1] + merged - light[:, -1]).clamp(-1, 1)
