"""Pillow's 8-bit bicubic beside that in floating point: python benchmarks/pillow.py --input DIR.

    python benchmarks/pillow.py --input ../shared/data/harvard-triples [--every 4]

For each scale the PSNR over all images, and the largest difference in grey levels: between images
reduced by `reduce`, then rounded, and by Pillow; and between low-resolution images enlarged by
`enlarge` and by Pillow, which `enlarge_as_pillow` equals to the bit.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from tfsdiff.core.tensors import levels
from tfsdiff.data.resample import enlarge, enlarge_as_pillow, reduce


def main() -> None:
    """Print a line for each scale."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--input", type=Path, required=True, help="image folder")
    parser.add_argument("--every", type=int, default=4, help="of its images")
    arguments = parser.parse_args()
    paths = sorted(arguments.input.glob("images/*/*.png"))[:: arguments.every]
    images = [Image.open(path).convert("RGB") for path in paths]
    print(f"{len(images)} images; scale, reduced, enlarged")
    for scale in (2, 4, 8):
        pairs = [compared(image, scale) for image in images]
        words = (summary(np.stack(one)) for one in zip(*pairs, strict=True))
        print(scale, *words, sep="  ")


def compared(image: Image.Image, scale: int) -> tuple[np.ndarray, np.ndarray]:
    """Differences, in grey levels, of the reduced and of the enlarged image."""
    size = (image.width // scale, image.height // scale)
    low = tensor(image.resize(size, Image.Resampling.BICUBIC))
    reduced = levels(reduce(tensor(image), scale)) - levels(low)
    enlarged = 255 * (enlarge(low, scale) - enlarge_as_pillow(low, scale))
    return reduced.numpy(), enlarged.numpy()


def tensor(image: Image.Image) -> torch.Tensor:
    """RGB (3, H, W) in [0, 1]."""
    return torch.from_numpy(np.array(image)).movedim(2, 0).float() / 255


def summary(difference: np.ndarray) -> str:
    """PSNR and largest difference."""
    psnr = 10 * np.log10(255**2 / np.square(difference).mean())
    return f"{psnr:.1f} dB, at most {np.abs(difference).max():.0f}"


if __name__ == "__main__":
    main()
