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
from tfsdiff.methods.bitonicx.vectors import LANES, fma, load, spread, store, where_less

LINK_REACH = 3  # of CNP: 7 x 7 pixels
CNP_THRESHOLD, CNP_FIRED = 0.3, 1.0  # until the first firing, and ever after
BLOCK = 4 * LANES

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
    counts = _papcnn(
        _padded(morphological_gradient(strength), 1),
        _padded(np.ones(detail.shape), 1),
        iterations,
        np.exp(-parameters.decay_feeding),
        np.exp(-parameters.decay_threshold),
        parameters.linking,
        parameters.amplitude,
    )
    return _cropped(counts, detail.shape, 1)


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
    padded = _padded(stimulus.astype(np.float64), LINK_REACH)
    inside = _padded(np.ones(stimulus.shape), LINK_REACH)
    counts = _cnp(padded, inside, iterations, 1 / distance)
    return _cropped(counts, stimulus.shape, LINK_REACH)


def _check(image: np.ndarray, iterations: int) -> None:
    if image.ndim != 2 or image.size == 0 or not np.isfinite(image).all():
        raise ValueError(f"the layer must be (H, W) and finite, not {image.shape}")
    if iterations < 1:
        raise ValueError(f"at least one iteration is needed, not {iterations}")


def _padded(image: np.ndarray, reach: int) -> np.ndarray:
    """`image` (H, W) with `reach` zeros around it, and more to the right for whole blocks."""
    return np.pad(image, ((reach, reach), (reach, reach + -image.shape[1] % BLOCK)))


def _cropped(counts: np.ndarray, shape: tuple[int, int], reach: int) -> np.ndarray:
    """Counts (H, W) of the neurons that `_padded` surrounded."""
    counts = counts.reshape(shape[0] + 2 * reach, -1)
    return counts[reach : reach + shape[0], reach : reach + shape[1]].astype(np.int32)


@_compile
def _link(fired, weights, start, stride, links):
    """Write to `links`, for a row of pixels, the weighted sums of the neighbours that fired.

    The window of the first pixel starts at `start`. Four vectors are summed at a time: a sum has to
    wait for its last term, and four do so together.
    """
    side = weights.shape[0]
    for c in range(0, links.size, BLOCK):
        a = b = d = e = spread(0.0)
        for down in range(side):
            for right in range(side):
                weight, at = spread(weights[down, right]), start + c + down * stride + right
                a = fma(weight, load(fired, at), a)
                b = fma(weight, load(fired, at + LANES), b)
                d = fma(weight, load(fired, at + 2 * LANES), d)
                e = fma(weight, load(fired, at + 3 * LANES), e)
        store(links, c, a)
        store(links, c + LANES, b)
        store(links, c + 2 * LANES, d)
        store(links, c + 3 * LANES, e)


@_compile
def _papcnn(stimulus, inside, iterations, fade_feeding, fade_threshold, linking, amplitude):
    """Firing counts; `stimulus` and `inside`, 1 in the image, are padded by one pixel."""
    height, stride = stimulus.shape
    weights = np.array([[0.5, 1.0, 0.5], [1.0, 0.0, 1.0], [0.5, 1.0, 0.5]])
    stimulus, inside = stimulus.ravel(), inside.ravel()
    counts, activity = np.zeros(stimulus.size), np.zeros(stimulus.size)
    threshold = np.ones(stimulus.size)
    before, after = np.zeros(stimulus.size), np.zeros(stimulus.size)
    links = np.empty(stride - 2)
    one, keep = spread(1.0), spread(fade_threshold)
    for _ in range(iterations):
        for row in range(1, height - 1):
            _link(before, weights, (row - 1) * stride, stride, links)
            for c in range(0, links.size, LANES):
                at = row * stride + 1 + c
                gain = one + spread(linking) * load(links, c)
                level = spread(fade_feeding) * load(activity, at) + load(stimulus, at) * gain
                fired = where_less(load(threshold, at), level, load(inside, at))
                store(activity, at, level)
                store(threshold, at, keep * load(threshold, at) + spread(amplitude) * fired)
                store(after, at, fired)
                store(counts, at, load(counts, at) + fired)
        before, after = after, before
    return counts


@_compile
def _cnp(stimulus, inside, iterations, weights):
    """Firing counts; `stimulus` and `inside`, 1 in the image, are padded by `LINK_REACH`."""
    height, stride = stimulus.shape
    stimulus, inside = stimulus.ravel(), inside.ravel()
    counts, feeding = np.zeros(stimulus.size), np.zeros(stimulus.size)
    linking = np.zeros(stimulus.size)
    threshold = np.full(stimulus.size, CNP_THRESHOLD)
    before, after = np.zeros(stimulus.size), np.zeros(stimulus.size)
    links = np.empty(stride - 2 * LINK_REACH)
    one, reach = spread(1.0), LINK_REACH
    for _ in range(iterations):
        for row in range(reach, height - reach):
            _link(before, weights, (row - reach) * stride, stride, links)
            for c in range(0, links.size, LANES):
                at, link = row * stride + reach + c, load(links, c)
                had_fired, inner = load(before, at), load(inside, at)
                waiting = one - had_fired
                feed = waiting * load(feeding, at) + load(stimulus, at) + link
                linked = waiting * load(linking, at) + link
                bound = waiting * load(threshold, at) + spread(CNP_FIRED) * had_fired
                fired = inner - where_less(feed * (one + linked), bound, inner)
                store(feeding, at, feed)
                store(linking, at, linked)
                store(threshold, at, bound)
                store(after, at, fired)
                store(counts, at, load(counts, at) + fired)
        before, after = after, before
    return counts
