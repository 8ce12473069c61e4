import io
import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from tfsdiff.acquisition.atlas.decode import LARGEST_SIDE, decode
from tfsdiff.data.images import read, to_8bit
from tfsdiff.data.resample import resize

SIDE = 12


def encode(image, kind="PNG", **options):
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


@pytest.fixture
def grey():
    return np.random.default_rng(3).integers(0, 256, (SIDE, SIDE), dtype=np.uint8)


@pytest.fixture
def colour():
    levels = np.random.default_rng(4).integers(0, 6, (SIDE, SIDE, 3), dtype=np.uint8)
    return levels * 51  # of 216 colours, so that a palette holds them exactly


def equal(result, expected):
    assert result.dtype == np.uint8
    assert result.flags.c_contiguous
    np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_grey(grey, kind):
    equal(decode(encode(Image.fromarray(grey), kind), SIDE), grey)


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_palette_of_greys_in_any_order_is_grey(grey, kind):
    order = np.random.default_rng(5).permutation(256).astype(np.uint8)
    image = Image.fromarray(np.argsort(order).astype(np.uint8)[grey])
    image.putpalette(np.repeat(order, 3).tobytes())
    assert image.mode == "P"
    equal(decode(encode(image, kind), SIDE), grey)


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_coloured_palette(colour, kind):
    image = Image.fromarray(colour).quantize(216)
    equal(decode(encode(image, kind), SIDE), colour)


def test_colour_and_grey_in_three_channels(colour, grey):
    equal(decode(encode(Image.fromarray(colour)), SIDE), colour)
    equal(decode(encode(Image.fromarray(np.stack([grey] * 3, -1))), SIDE), grey)


def test_one_bit(grey):
    image = Image.fromarray(grey > 127)
    assert image.mode == "1"
    equal(decode(encode(image), SIDE), np.where(grey > 127, 255, 0))


def test_sixteen_bit_grey_is_rounded_to_the_nearest_level(grey):
    values = np.random.default_rng(6).integers(0, 65536, (SIDE, SIDE), dtype=np.uint16)
    values[0, :4] = 0, 65535, 128, 129
    expected = np.floor(values.astype(np.float64) * 255 / 65535 + 0.5)
    equal(decode(encode(Image.fromarray(values)), SIDE), expected)
    equal(decode(encode(Image.fromarray(grey.astype(np.uint16) * 257)), SIDE), grey)


def test_transparency_is_laid_over_black(grey, colour):
    alpha = np.where(np.arange(SIDE) < 6, 0, 255).astype(np.uint8) * np.ones_like(grey)
    for pixels in (grey[..., None], colour):
        image = Image.fromarray(np.concatenate([pixels, alpha[..., None]], -1))
        expected = np.where(alpha[..., None] == 0, 0, pixels).squeeze()
        equal(decode(encode(image), SIDE), expected)
    image = Image.fromarray(np.where(grey == 7, 8, grey).astype(np.uint8)).convert("P")
    expected = np.where(np.asarray(image) == 8, 0, np.asarray(image))
    equal(decode(encode(image, "GIF", transparency=8), SIDE), expected)


@pytest.mark.parametrize("pixels", [5, 24])
def test_another_side_is_resampled_by_the_common_kernel(grey, colour, pixels):
    for image in (grey, colour):
        unit = torch.from_numpy(image).float() / 255
        unit = unit if image.ndim == 2 else unit.movedim(-1, 0)
        expected = to_8bit(resize(unit, pixels))
        equal(decode(encode(Image.fromarray(image)), pixels), expected)


def outcome(data):
    """The pixels, or the words of the ValueError; any other exception is a failure."""
    try:
        return decode(data, SIDE)
    except ValueError as error:
        return str(error)


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_no_beginning_of_a_file_gives_other_pixels(grey, kind):
    # All pixels may be there before the last bytes are; what is never right is half an image.
    data = encode(Image.fromarray(grey), kind)
    outcomes = [outcome(data[:length]) for length in range(len(data))]
    refused = [words for words in outcomes if isinstance(words, str)]
    assert len(refused) >= len(data) - 20
    assert all(words.isprintable() for words in refused)
    for pixels in outcomes:
        if not isinstance(pixels, str):
            equal(pixels, grey)


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_damage_never_leaves_with_another_exception(grey, kind):
    data = encode(Image.fromarray(grey), kind)
    random = np.random.default_rng(7)
    for _ in range(300):
        damaged = np.frombuffer(data, np.uint8).copy()
        damaged[random.integers(6, len(data), 3)] = random.integers(0, 256, 3)
        found = outcome(damaged.tobytes())
        assert found.isprintable() if isinstance(found, str) else len(found) == SIDE


def test_not_square(grey):
    with pytest.raises(ValueError, match=r"^12 x 9 pixels, not square$"):
        decode(encode(Image.fromarray(grey[:9])), SIDE)


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_more_than_one_frame(grey, kind):
    film = [Image.fromarray(255 - grey), Image.fromarray(grey // 2)]
    data = encode(Image.fromarray(grey), kind, save_all=True, append_images=film)
    with pytest.raises(ValueError, match="more than one frame"):
        decode(data, SIDE)


@pytest.mark.parametrize("kind", ["JPEG", "TIFF", "BMP", "WEBP"])
def test_other_formats(grey, kind):
    with pytest.raises(ValueError, match="neither GIF nor PNG"):
        decode(encode(Image.fromarray(grey), kind), SIDE)


@pytest.mark.parametrize(
    "data", [b"", b"GIF", b"GIF89a", b"GIF90a" * 20, b"\x89PNG\r\n\x1a\n", b"<html>"]
)
def test_no_image(data):
    with pytest.raises(ValueError, match=r"neither GIF nor PNG|damaged or cut off"):
        decode(data, SIDE)


def png_of(side):
    def chunk(name, body):
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    head = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(9)))


@pytest.mark.parametrize("side", [LARGEST_SIDE + 1, 20000, 2**31 - 1])
def test_png_bomb(side):
    with pytest.raises(ValueError, match="announces"):
        decode(png_of(side), SIDE)


@pytest.mark.parametrize("where", [6, -1])
@pytest.mark.parametrize("side", [LARGEST_SIDE + 1, 65535])
def test_gif_bomb(grey, side, where):
    # In the logical screen, or in the image descriptor, beside a screen of harmless size.
    data = bytearray(encode(Image.fromarray(grey), "GIF"))
    start = where if where > 0 else data.index(b"\x2c\0\0\0\0") + 5
    data[start : start + 4] = side.to_bytes(2, "little") * 2
    with pytest.raises(ValueError, match="announces"):
        decode(bytes(data), SIDE)


def test_largest_side_is_decoded():
    image = Image.new("L", (LARGEST_SIDE, LARGEST_SIDE), 7)
    equal(decode(encode(image), 8), np.full((8, 8), 7))


@pytest.mark.shared
def test_real_slices_survive_a_gif(shared):
    folder = shared / "data" / "harvard-triples"
    for path in sorted(folder.glob("*/*.png"))[:12]:
        pixels = read(path)
        if pixels.ndim == 2:
            equal(decode(encode(Image.fromarray(pixels), "GIF"), 256), pixels)
        equal(decode(path.read_bytes(), 256), pixels)
