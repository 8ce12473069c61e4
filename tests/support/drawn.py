"""Drawn heads: groups and pairs of patients, for what looks for a head in an image."""

from pathlib import Path

import numpy as np
from scipy import ndimage

from tfsdiff.data import colourmap
from tfsdiff.data.pairs import Pair, write_pairs
from tfsdiff.data.slices import Group, write_folder

SIDE = 64
STATED = {"CT": "MR-T2", "PET": "MR-T1", "SPECT": "MR-T2"}


def head(seed: int, side: int = SIDE) -> dict[str, np.ndarray]:
    """T1-like, T2-like, CT-like and uptake images (H, W) in [0, 1] of one ellipse of a head."""
    rng = np.random.default_rng(seed)
    rows, columns = np.indices((side, side)) / (side - 1) * 2 - 1
    radius = np.hypot(
        (rows - rng.uniform(-0.05, 0.05)) / rng.uniform(0.7, 0.78),
        (columns - rng.uniform(-0.05, 0.05)) / rng.uniform(0.58, 0.64),
    )
    folds = 0.5 + 0.5 * np.sin(12 * rows + seed) * np.sin(11 * columns)
    scalp, skull = radius < 1, radius < 0.9
    brain, fluid = radius < 0.8, np.hypot(rows / 0.25, columns / 0.12) < 1
    t2 = np.select([fluid, brain, skull, scalp], [0.9, 0.3 + 0.2 * folds, 0.06, 0.5], 0)
    t1 = np.select([fluid, brain, skull, scalp], [0.15, 0.6 - 0.2 * folds, 0.06, 0.9], 0)
    ct = np.select([brain, skull], [0.35 + 0.05 * folds, 1.0], 0) + 0.3 * (scalp & ~skull)
    uptake = np.select([fluid, brain], [0.2, 0.6 + 0.2 * folds], 0)
    return {"MR-T1": t1, "MR-T2": t2, "CT": ct, "uptake": ndimage.gaussian_filter(uptake, 1.5)}


def image(modality: str, seed: int, side: int = SIDE) -> np.ndarray:
    """An 8-bit image of a modality."""
    drawn = head(seed, side)
    if modality in ("PET-FDG", "SPECT-Tc"):
        stops = colourmap.PET if modality == "PET-FDG" else colourmap.SPECT
        return np.rint(colourmap.colour(drawn["uptake"], stops)).astype(np.uint8)
    return np.rint(255 * drawn[modality]).astype(np.uint8)


def write_groups(folder: Path, patients: dict[str, str], slices: int = 2) -> list[Group]:
    """Write an image folder of patients, each with a combination; give its groups."""
    items = []
    for number, (patient, combination) in enumerate(patients.items()):
        names = combination.split("_")
        for place in range(slices):
            group = Group(f"{patient}-{place}", combination, patient, place, *names)
            images = tuple(image(name, 10 * number + place) for name in names)
            items.append((group, images))
    write_folder(folder, items)
    return [group for group, _ in items]


def write_drawn_pairs(folder: Path, cases: dict[str, str]) -> list[Pair]:
    """Write a pair folder of cases, each with what lies beside MR; give its pairs."""
    full = {"CT": "CT", "PET": "PET-FDG", "SPECT": "SPECT-Tc"}
    items = [
        (
            Pair(f"{other}-MR/{case}-001", case, "001", other),
            (image(STATED[other], 100 + i), image(full[other], 100 + i)),
        )
        for i, (case, other) in enumerate(cases.items())
    ]
    write_pairs(folder, items)
    return [pair for pair, _ in items]
