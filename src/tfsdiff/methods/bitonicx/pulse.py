"""Pulse-coupled neural networks: how often the neuron of each pixel fires.

Each pixel has a neuron, which is fed by the pixel and by the neighbours that fired in the step
before, and fires when its activity exceeds its threshold. Salient pixels fire more often, so images
are fused by comparing counts. Nothing is learned.

Sources: M. Yin et al., IEEE Transactions on Instrumentation and Measurement 68, 2019 (PAPCNN), and
H. Peng, J. Wang, "Coupled neural P systems", IEEE Transactions on Neural Networks and Learning
Systems 30, 2019 (CNP). Where the released code of BitonicX differs from them, the code is followed
(docs/methods/bitonicx.md, B6 and B7).
"""

from dataclasses import dataclass

import numpy as np
from numba import njit

from tfsdiff.methods.bitonicx.gradient import morphological_gradient

LINK_REACH = 3  # of CNP: 7 x 7 pixels
CNP_THRESHOLD, CNP_FIRED = 0.3, 1.0  # until the first firing, and ever after

_compile = njit(cache=True, nogil=True, error_model="numpy")


@dataclass(frozen=True)
class Adaptive:
    """Parameters that PAPCNN derives from its input.

    Attributes:
        decay_feeding: of the activity, a step.
        decay_threshold: of the threshold, a step.
        linking: strength of the coupling to the neighbours.
        amplitude: by which the threshold rises when a neuron fires.
    """

    decay_feeding: float
    decay_threshold: float
    linking: float
    amplitude: float


def papcnn(detail: np.ndarray, iterations: int) -> np.ndarray:
    """Firing counts (H, W) of the parameter-adaptive network on the gradient of |`detail`|.

    Without any variation no neuron fires.

    Raises:
        ValueError: `detail` is not (H, W) or not finite, or there is no iteration.
    """
    _check(detail, iterations)
    strength = np.abs(detail, dtype=np.float64)
    parameters = adaptive(strength)
    if parameters is None:
        return np.zeros(detail.shape, np.int32)
    return _papcnn(
        morphological_gradient(strength),
        iterations,
        np.exp(-parameters.decay_feeding),
        np.exp(-parameters.decay_threshold),
        parameters.linking,
        parameters.amplitude,
    )


def adaptive(strength: np.ndarray) -> Adaptive | None:
    """Parameters of PAPCNN for `strength` (H, W) >= 0; None if it does not vary.

    An Otsu level of 0, which only nearly constant images have, is replaced by the maximum.
    """
    deviation = strength.std(ddof=1) if strength.size > 1 else 0.0
    if deviation == 0:
        return None
    highest = strength.max()
    otsu = otsu_level(strength) or highest
    ratio = highest / otsu
    feeding = -np.log10(deviation)  # as released; the paper has the natural logarithm
    fade = np.exp(-feeding)
    amplitude = fade + ratio
    span = 1 + fade + fade**2 + (ratio - 1) * fade
    return Adaptive(feeding, np.log(amplitude / (otsu * span)), (ratio - 1) / 6, amplitude)


def otsu_level(image: np.ndarray) -> float:
    """Otsu's threshold in [0, 1] of `image` (H, W) in [0, 1], as MATLAB's graythresh computes it.

    It is one of 256 levels, or the mean of several that are equally good; 0 if all pixels have one
    level.
    """
    levels = np.clip(np.floor(255 * image + 0.5), 0, 255).astype(int)
    counts = np.bincount(levels.ravel(), minlength=256)
    below = np.cumsum(counts)
    inside = (below > 0) & (below < image.size)
    if not inside.any():
        return 0.0
    weight = below / image.size
    mean = np.cumsum(counts / image.size * np.arange(1, 257))
    between = (mean[-1] * weight - mean)[inside] ** 2 / (weight * (1 - weight))[inside]
    return float(np.flatnonzero(inside)[between == between.max()].mean()) / 255


def cnp(stimulus: np.ndarray, iterations: int) -> np.ndarray:
    """Firing counts (H, W) of the coupled neural P system that is fed `stimulus` (H, W) >= 0.

    Raises:
        ValueError: `stimulus` is not (H, W) or not finite, or there is no iteration.
    """
    _check(stimulus, iterations)
    offsets = np.arange(-LINK_REACH, LINK_REACH + 1)
    distance = np.hypot(offsets[:, None], offsets)
    distance[LINK_REACH, LINK_REACH] = np.inf
    return _cnp(np.ascontiguousarray(stimulus, np.float64), iterations, 1 / distance)


def _check(image: np.ndarray, iterations: int) -> None:
    if image.ndim != 2 or image.size == 0 or not np.isfinite(image).all():
        raise ValueError(f"the layer must be (H, W) and finite, not {image.shape}")
    if iterations < 1:
        raise ValueError(f"at least one iteration is needed, not {iterations}")


@_compile
def _link(fired, weights, line, row):
    """Write to `line` the weighted sum of the neighbours that fired, for one row of the image."""
    line[:] = 0
    width = line.size
    for down in range(weights.shape[0]):
        for right in range(weights.shape[1]):
            weight = weights[down, right]
            if weight != 0:
                neighbour = fired[row + down][right : right + width]
                for c in range(width):
                    line[c] += weight * neighbour[c]


@_compile
def _papcnn(stimulus, iterations, fade_feeding, fade_threshold, linking, amplitude):
    height, width = stimulus.shape
    weights = np.array([[0.5, 1.0, 0.5], [1.0, 0.0, 1.0], [0.5, 1.0, 0.5]])
    counts = np.zeros((height, width), np.int32)
    activity, threshold = np.zeros((height, width)), np.ones((height, width))
    before = np.zeros((height + 2, width + 2))
    after = np.zeros_like(before)
    line = np.empty(width)
    for _ in range(iterations):
        for row in range(height):
            _link(before, weights, line, row)
            for c in range(width):
                activity[row, c] = fade_feeding * activity[row, c] + stimulus[row, c] * (
                    1 + linking * line[c]
                )
                fired = activity[row, c] > threshold[row, c]
                threshold[row, c] = fade_threshold * threshold[row, c] + amplitude * fired
                after[row + 1, c + 1] = fired
                counts[row, c] += fired
        before, after = after, before
    return counts


@_compile
def _cnp(stimulus, iterations, weights):
    height, width = stimulus.shape
    counts = np.zeros((height, width), np.int32)
    feeding, linking = np.zeros((height, width)), np.zeros((height, width))
    threshold = np.full((height, width), CNP_THRESHOLD)
    before = np.zeros((height + 2 * LINK_REACH, width + 2 * LINK_REACH))
    after = np.zeros_like(before)
    line = np.empty(width)
    for _ in range(iterations):
        for row in range(height):
            _link(before, weights, line, row)
            for c in range(width):
                waiting = 1 - before[row + LINK_REACH, c + LINK_REACH]
                feeding[row, c] = waiting * feeding[row, c] + stimulus[row, c] + line[c]
                linking[row, c] = waiting * linking[row, c] + line[c]
                if waiting == 0:
                    threshold[row, c] = CNP_FIRED
                fired = feeding[row, c] * (1 + linking[row, c]) >= threshold[row, c]
                after[row + LINK_REACH, c + LINK_REACH] = fired
                counts[row, c] += fired
        before, after = after, before
    return counts
