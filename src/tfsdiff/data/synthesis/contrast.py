"""New contrasts of images: gain and gamma of any, other weightings of MR."""

import numpy as np
from scipy import ndimage
from scipy.interpolate import PchipInterpolator

from tfsdiff.data import colourmap
from tfsdiff.data.synthesis.heads import Head

KNOTS = (0.0, 0.12, 0.28, 0.45, 0.65, 1.0)  # grey levels at which a curve is drawn
ON_MAP = 8.0  # levels: an image whose colours are nearer than this shows values in a colour map

# Grey level of T1-like for a level of T2-like MR, as shares of their bright levels: skull, white
# matter, grey matter and fluid lie at about 0.1, 0.3, 0.45 and 0.9 in the T2-like images.
TO_T1 = ((0.0, 0.08, 0.2, 0.3, 0.45, 0.65, 1.0), (0.0, 0.06, 0.5, 0.66, 0.52, 0.3, 0.14))
# And the reverse: fluid, grey and white matter at about 0.15, 0.45 and 0.65, fat above.
TO_T2 = ((0.0, 0.06, 0.15, 0.3, 0.45, 0.65, 1.0), (0.0, 0.35, 0.9, 0.72, 0.5, 0.34, 0.5))


def values_of(image: np.ndarray) -> tuple[np.ndarray, colourmap.Stops] | None:
    """Values (H, W) that an RGB image (H, W, 3) shows in a colour map of the atlas, and the map.

    None where its colours are on neither map.
    """
    found = [(*colourmap.uncolour(image * 255, stops), stops) for stops in _MAPS]
    values, distance, stops = min(found, key=lambda one: one[1])
    return (values, stops) if distance < ON_MAP else None


_MAPS = (colourmap.PET, colourmap.SPECT)


def coloured(values: np.ndarray, stops: colourmap.Stops) -> np.ndarray:
    """Image (H, W, 3) in [0, 1] of values (H, W), which are clipped to [0, 1]."""
    return colourmap.colour(np.clip(values, 0, 1), stops) / 255


def toned(image: np.ndarray, gain: float, gamma: float) -> np.ndarray:
    """Gain x image^gamma, clipped to [0, 1].

    Of a functional image the values that its colours stand for are changed, as where another
    window was chosen: the colours stay those of its map.
    """
    shown = values_of(image) if image.ndim == 3 else None
    if shown is None:
        return np.clip(gain * image**gamma, 0, 1)
    values, stops = shown
    return coloured(gain * values**gamma, stops)


def remapped(mr: np.ndarray, rng: np.random.Generator, field: float, noise: float) -> np.ndarray:
    """Another contrast of an MR image (H, W), by a random smooth curve of its grey levels.

    Half of the curves fall, as from T2 to T1; the others are any. Air and skull stay dark.

    Args:
        mr: in [0, 1].
        rng: of the curve, the field and the noise.
        field: largest deviation of a smooth multiplicative field.
        noise: largest deviation of noise.
    """
    levels = rng.uniform(0.05, 0.95, len(KNOTS))
    if rng.random() < 0.5:
        levels = np.sort(levels)[::-1] * rng.uniform(0.7, 1)
    levels[0] = rng.uniform(0, 0.3)
    image = PchipInterpolator(KNOTS, levels)(mr) * _tissue(mr, 0.04, 0.14)
    bright = np.quantile(image[mr > 0.14], 0.98) if (mr > 0.14).any() else 1.0
    image = image * max(1.0, rng.uniform(0.6, 0.9) / max(bright, 0.05))  # no dark images
    return varied(image, mr > 0.05, rng, field, noise)


def weighted(
    mr: np.ndarray, head: Head, curve: tuple[tuple[float, ...], tuple[float, ...]]
) -> np.ndarray:
    """An MR image (H, W) in the other weighting, by `TO_T1` or `TO_T2`."""
    levels, to = curve
    white = np.quantile(mr[head.mask], 0.99)
    image = PchipInterpolator(levels, to)(np.clip(mr / white, 0, 1))
    return np.clip(image * _tissue(mr / white, 0.04, 0.12), 0, 1)


def varied(
    image: np.ndarray, where: np.ndarray, rng: np.random.Generator, field: float, noise: float
) -> np.ndarray:
    """Image (H, W) times a smooth field of mean 1, plus noise in `where`; clipped to [0, 1]."""
    side = len(image)
    image = image * np.exp(rng.uniform(0, field) * smooth_noise(rng, side, rng.uniform(0.08, 0.2)))
    grain = smooth_noise(rng, side, 0.6 / side)
    return np.clip(image + where * rng.uniform(0, noise) * grain, 0, 1)


def smooth_noise(rng: np.random.Generator, side: int, width: float) -> np.ndarray:
    """Gaussian noise (side, side) of unit deviation, smoothed over `width`, a share of the side."""
    smooth = ndimage.gaussian_filter(rng.standard_normal((side, side)), width * side, mode="wrap")
    return smooth / smooth.std()


def _tissue(mr: np.ndarray, low: float, high: float) -> np.ndarray:
    """0 in air, 1 in tissue, with a smooth step from `low` to `high`."""
    step = np.clip((mr - low) / (high - low), 0, 1)
    return step * step * (3 - 2 * step)
