"""Turns, which are exact, and smooth maps, which resample and therefore blur."""

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from tfsdiff.data.synthesis import heads
from tfsdiff.data.synthesis.contrast import coloured, smooth_noise, values_of
from tfsdiff.params import Warp

ELASTIC_WIDTH = 0.05  # over which displacements are smooth, as a share of the side
DRAWS = 8  # of a map that keeps the head in the frame, before it is left alone


def turned(images: Sequence[np.ndarray], quarters: int, mirror: bool) -> list[np.ndarray]:
    """Turn square images by quarter turns, after mirroring left and right where asked."""
    mirrored = [image[:, ::-1] if mirror else image for image in images]
    return [np.ascontiguousarray(np.rot90(image, quarters)) for image in mirrored]


def warped(
    images: Sequence[np.ndarray], settings: Warp, rng: np.random.Generator
) -> list[np.ndarray]:
    """Map images of one size by one random affine and elastic map.

    A map that pushes more of the images over the border than they had there is drawn anew.
    """
    content = np.maximum.reduce([image if image.ndim == 2 else image.max(-1) for image in images])
    mask = (content > heads.BACKGROUND).astype(np.float32)
    before = _at_border(mask)
    for _ in range(DRAWS):
        coordinates = _map(len(content), settings, rng)
        if _at_border(ndimage.map_coordinates(mask, coordinates, order=0)) <= before:
            return [_sampled(image, coordinates) for image in images]
    return list(images)


def _map(side: int, settings: Warp, rng: np.random.Generator) -> np.ndarray:
    """Where each pixel of the result comes from: (2, H, W), in pixels."""
    angle = np.deg2rad(rng.uniform(-settings.degrees, settings.degrees))
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    zoom = np.exp(rng.uniform(-settings.zoom, settings.zoom, 2))
    shear = np.array([[1, rng.uniform(-settings.shear, settings.shear)], [0, 1]])
    shift = side * rng.uniform(-settings.shift, settings.shift, 2)
    centred = np.indices((side, side), float) - (side - 1) / 2
    affine = np.einsum("ij,jhw->ihw", rotation @ shear @ np.diag(zoom), centred)
    bend = np.stack([smooth_noise(rng, side, ELASTIC_WIDTH) for _ in range(2)])
    bend *= side * rng.uniform(0, settings.elastic)
    return affine + bend + (shift + (side - 1) / 2)[:, None, None]


def _sampled(image: np.ndarray, coordinates: np.ndarray) -> np.ndarray:
    if image.ndim == 2:
        return np.clip(ndimage.map_coordinates(image, coordinates, order=3), 0, 1)
    shown = values_of(image)
    if shown is None:  # between colours: linearly, as splines overshoot to others
        channels = np.moveaxis(image, -1, 0)
        return np.stack([ndimage.map_coordinates(x, coordinates, order=1) for x in channels], -1)
    values, stops = shown
    return coloured(ndimage.map_coordinates(values, coordinates, order=1), stops)


def _at_border(mask: np.ndarray) -> int:
    edges = (mask[0], mask[-1], mask[:, 0], mask[:, -1])
    return int(sum(edge.astype(bool).sum() for edge in edges))
