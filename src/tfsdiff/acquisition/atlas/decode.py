"""Image files of the atlas, GIF or PNG, in their canonical form: 8 bit, grey or RGB, one side.

Palettes are looked up, 1 bit is black and white, transparency is laid over black. 16-bit grey v
becomes v * 255 / 65535, rounded to the nearest level; of 16-bit colour Pillow keeps the upper 8
bits. Gamma and colour profiles are ignored: pixels are taken as stored. Where all three channels
are equal in every pixel, the image is grey. An image whose side already fits is never resampled.
"""

import io
import warnings

import numpy as np
from PIL import Image

from tfsdiff.data.images import EIGHT_BIT, SIXTEEN_BIT, Pixels, to_8bit, to_unit
from tfsdiff.data.resample import resize

FORMATS = {b"GIF87a": "GIF", b"GIF89a": "GIF", b"\x89PNG\r\n": "PNG"}  # by their first six bytes
LARGEST_SIDE = 2048  # pixels; slices have 256, and a file of a few kB can announce 65535


def decode(data: bytes, pixels: int) -> Pixels:
    """Turn the bytes of a GIF or PNG file into uint8 (pixels, pixels), or (pixels, pixels, 3).

    Two dimensions where the image is grey, three where it is coloured. The side is changed by the
    cubic kernel of `tfsdiff.data.resample.resize`, and only where it differs.

    Raises:
        ValueError: what is wrong, in a few words: no GIF or PNG, damaged or cut off, of several
            frames, not square, or of a side above `LARGEST_SIDE`.
    """
    stored = _levels(_open(data))
    if (stored == stored[..., :1]).all():
        stored = np.ascontiguousarray(stored[..., 0])
    if stored.shape[0] == pixels:
        return stored
    if stored.ndim == 2:
        return to_8bit(resize(to_unit(stored)[0], pixels))
    return to_8bit(resize(to_unit(stored), pixels))


def _open(data: bytes) -> Image.Image:
    kind = FORMATS.get(data[:6])
    if kind is None:
        raise ValueError("neither GIF nor PNG")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            return _decoded(data, kind)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise ValueError(f"announces a side above {LARGEST_SIDE} pixels") from None
    except _UnfitError as error:
        raise ValueError(str(error)) from None
    except Exception as error:  # decoders raise almost any exception for a broken file
        reason = " ".join(str(error).split())
        raise ValueError(f"damaged or cut off {kind} ({reason})") from None


def _decoded(data: bytes, kind: str) -> Image.Image:
    with Image.open(io.BytesIO(data), formats=(kind,)) as image:
        width, height = image.size
        if max(width, height) > LARGEST_SIDE:  # before any pixel is decoded
            raise _UnfitError(f"announces {width} x {height} pixels, above {LARGEST_SIDE}")
        if width != height:
            raise _UnfitError(f"{width} x {height} pixels, not square")
        if getattr(image, "is_animated", False):
            raise _UnfitError("holds more than one frame")
        image.load()
        return image


def _levels(image: Image.Image) -> Pixels:
    # (H, W, 3), 0 to 255.
    if image.mode in SIXTEEN_BIT and "transparency" not in image.info:
        grey = (np.asarray(image).astype(np.uint32) + 128) // 257  # 65535 = 255 * 257
        return np.stack([grey.astype(np.uint8)] * 3, axis=-1)
    if image.mode not in EIGHT_BIT:
        raise ValueError(f"mode {image.mode} has no stated range")
    if image.has_transparency_data:
        black = Image.new("RGBA", image.size, (0, 0, 0, 255))
        image = Image.alpha_composite(black, image.convert("RGBA"))
    return np.array(image.convert("RGB"))


class _UnfitError(Exception):
    """A valid image file that cannot be a slice."""
