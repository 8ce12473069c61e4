"""What the tests of the classical fusers share: images, and the outputs of the authors' code."""

import numpy as np
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter

from tfsdiff.core.tensors import Batch

REFERENCES = ("case28-010", "case36-034", "petnormal-023")


def group(height=40, width=33, seed=0):
    """Two grey images and a coloured one, with a black background."""
    noise = np.random.default_rng(seed).random((5, height, width))
    images = np.stack([gaussian_filter(image, 1.5) for image in noise])
    images = (images - images.min()) / np.ptp(images)
    rows, columns = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    images *= rows**2 + columns**2 < 0.8
    return images[0], images[1], images[2:].transpose(1, 2, 0)


def grey_functional(image):
    return np.repeat(image[..., None], 3, axis=2)


def batch(*groups):
    sources = [np.stack([grey_functional(a), grey_functional(b), f]) for a, b, f in groups]
    tensor = torch.from_numpy(np.stack(sources)).permute(0, 1, 4, 2, 3).float()
    return Batch(tuple(str(n) for n in range(len(groups))), tensor)


def psnr(ours, theirs):
    return 10 * np.log10(255**2 / max(np.square(ours.astype(float) - theirs).mean(), 1e-12))


def as_saved_by_octave(image):
    """8 bits as in the reference images: Octave rounds to 16 bits and keeps the upper ones."""
    return np.floor(np.clip(image, 0, 1) * 65535 + 0.5).astype(int) >> 8


def reference(shared, method, name):
    """Sources, and of `method` the fused image in 8 bits and the intermediate one in 16."""
    folder = shared / "data/harvard-triples/images" / name
    rows = (shared / "data/harvard-triples/manifest.csv").read_text().splitlines()
    modalities = next(row.split(",")[4:7] for row in rows if row.startswith(f"{name},"))
    sources = [np.asarray(Image.open(folder / f"{modality}.png")) / 255 for modality in modalities]
    folder = shared / "reference" / method
    files = [folder / f"{name}.png", folder / f"{name}.intermediate.png"]
    return sources, *(np.asarray(Image.open(file)).astype(int) for file in files)
