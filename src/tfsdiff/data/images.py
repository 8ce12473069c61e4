"""Image files: 8-bit PNG within the pipeline, many formats from users of the commands."""

import warnings
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from tfsdiff.common.errors import InputError
from tfsdiff.common.files import replacing

Pixels = NDArray[np.uint8]

FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "GIF")
SIXTEEN_BIT = ("I;16", "I;16L", "I;16B", "I;16N")
EIGHT_BIT = ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr")


def read(path: Path) -> Pixels:
    """Read an 8-bit PNG, grey as (H, W), colour as (H, W, 3).

    Raises:
        InputError: missing, unreadable, or another kind of image; one line that names the file.
    """
    image = _open(path, ("PNG",))
    if image.mode not in ("L", "RGB") or image.has_transparency_data:
        found = f"{image.mode} with transparency" if image.mode in ("L", "RGB") else image.mode
        raise InputError(f"{path}: mode {found}; save it as 8-bit grey (L) or RGB without alpha")
    return np.asarray(image)


def read_any(path: Path) -> Tensor:
    """Read a user's image (PNG, JPEG, TIFF, BMP or GIF) as RGB (3, H, W) in [0, 1].

    Grey is repeated in three channels, palettes are looked up, 1 bit becomes black and white. 8
    bits are divided by 255 and 16-bit grey by 65535; of 16-bit colour Pillow keeps the upper 8
    bits. Transparent images are laid over black. Orientation tags are ignored.

    Raises:
        InputError: missing, unreadable, or of unclear range; one line that names the file.
    """
    image = _open(path, FORMATS)
    if image.mode in SIXTEEN_BIT:
        grey = np.asarray(image, dtype=np.float64) / 65535
        return torch.from_numpy(grey).float().expand(3, -1, -1).clone()
    if image.mode not in EIGHT_BIT:
        raise InputError(f"{path}: mode {image.mode} has no stated range; save it as 8 or 16 bit")
    if image.has_transparency_data:
        black = Image.new("RGBA", image.size, (0, 0, 0, 255))
        image = Image.alpha_composite(black, image.convert("RGBA"))
    return to_unit(np.array(image.convert("RGB")))


def write_png(path: Path, pixels: Pixels) -> None:
    """Write uint8 (H, W) or (H, W, 3) as PNG: whole or not at all, the same bytes every time."""
    if pixels.dtype != np.uint8 or pixels.ndim not in (2, 3) or pixels.shape[2:] not in ((), (3,)):
        raise ValueError(f"cannot write {pixels.dtype} {pixels.shape} as an 8-bit image")
    with replacing(path) as temporary:
        Image.fromarray(np.ascontiguousarray(pixels)).save(temporary, "PNG", compress_level=6)


def to_unit(pixels: Pixels) -> Tensor:
    """Turn uint8 (H, W) or (H, W, 3) into float32 RGB (3, H, W) in [0, 1]."""
    if pixels.dtype != np.uint8:
        raise ValueError(f"pixels must be uint8, not {pixels.dtype}")
    values = torch.from_numpy(pixels.astype(np.float32)) / 255
    return values.expand(3, -1, -1).clone() if values.ndim == 2 else values.movedim(-1, 0).clone()


def to_8bit(image: Tensor) -> Pixels:
    """Turn a float (H, W) or (3, H, W) image into uint8 (H, W) or (H, W, 3).

    Times 255, halves rounded up, saturated at 0 and 255.
    """
    if image.ndim == 3:
        image = image.movedim(0, -1)
    # In double precision, as a float32 sum just below a half could be rounded up to it.
    levels = torch.floor(image.detach().double().cpu() * 255 + 0.5).clamp(0, 255)
    return levels.to(torch.uint8).contiguous().numpy()


def _open(path: Path, formats: tuple[str, ...]) -> Image.Image:
    if not path.is_file():
        raise InputError(f"{path}: {'is no file' if path.exists() else 'does not exist'}")
    try:
        image, frames = _decode(path, formats)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        limit = Image.MAX_IMAGE_PIXELS
        raise InputError(f"{path}: more than {limit} pixels; crop or reduce it") from None
    except Exception as error:  # a broken file raises almost anything, depending on its decoder
        reason = " ".join(str(error).replace(str(path), "file").split())
        raise InputError(f"{path}: no readable {' or '.join(formats)} image ({reason})") from None
    if frames > 1:
        raise InputError(f"{path}: holds {frames} frames; save the one that you mean")
    return image


def _decode(path: Path, formats: tuple[str, ...]) -> tuple[Image.Image, int]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with Image.open(path, formats=formats) as image:
            frames = getattr(image, "n_frames", 1)
            image.load()
            return image, frames
