import io

import numpy as np
import pytest
import torch
from PIL import Image

from tfsdiff.common.errors import InputError
from tfsdiff.data import images


@pytest.fixture
def grey():
    return np.random.default_rng(0).integers(0, 256, (6, 5), dtype=np.uint8)


@pytest.fixture
def colour():
    return np.random.default_rng(1).integers(0, 256, (6, 5, 3), dtype=np.uint8)


def saved(path, image, **options):
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    image.save(path, **options)
    return path


def refusal(call, path):
    """Message of the InputError, after seeing that it is one line that names the file."""
    with pytest.raises(InputError) as caught:
        call(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


def test_png_round_trip_is_exact_and_bytes_repeat(tmp_path, grey, colour):
    for pixels in (grey, colour):
        images.write_png(tmp_path / "new" / "a.png", pixels)
        images.write_png(tmp_path / "new" / "b.png", pixels)
        assert np.array_equal(images.read(tmp_path / "new" / "a.png"), pixels)
        first, second = ((tmp_path / "new" / name).read_bytes() for name in ("a.png", "b.png"))
        assert first == second
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["a.png", "b.png"]


def test_write_takes_views_and_refuses_other_arrays(tmp_path, colour):
    path = tmp_path / "a.png"
    images.write_png(path, colour[::-1, ::2])
    assert np.array_equal(images.read(path), colour[::-1, ::2])
    for wrong in (colour.astype(float), colour[..., :2], colour[None], colour[0, 0]):
        with pytest.raises(ValueError, match="as an 8-bit image"):
            images.write_png(path, wrong)
    assert np.array_equal(images.read(path), colour[::-1, ::2])


@pytest.mark.parametrize("mode", ["1", "P", "LA", "RGBA", "I;16"])
def test_read_refuses_other_modes(tmp_path, grey, mode):
    image = Image.fromarray(grey.astype(np.uint16) * 257 if mode == "I;16" else grey)
    path = saved(tmp_path / "a.png", image if mode == "I;16" else image.convert(mode))
    assert f"mode {mode}; save it as 8-bit" in refusal(images.read, path)


def test_read_refuses_a_transparent_colour_and_other_formats(tmp_path, grey):
    path = saved(tmp_path / "a.png", grey, transparency=0)
    assert "mode L with transparency" in refusal(images.read, path)
    path = saved(tmp_path / "b.png", grey, format="JPEG")
    assert "no readable PNG image" in refusal(images.read, path)


@pytest.mark.parametrize("reader", [images.read, images.read_any])
def test_unreadable_files_are_refused_in_one_line(tmp_path, colour, reader):
    good = saved(tmp_path / "good.png", np.tile(colour, (20, 20, 1))).read_bytes()
    assert "does not exist" in refusal(reader, tmp_path / "none.png")
    assert "is no file" in refusal(reader, tmp_path)
    for name, content in (
        ("empty.png", b""),
        ("text.png", b"hello\nworld"),
        ("half.png", good[: len(good) // 2]),
        ("header.png", good[:30]),
        ("flipped.png", good[:200] + bytes([good[200] ^ 255]) + good[201:]),
    ):
        (tmp_path / name).write_bytes(content)
        assert "no readable PNG" in refusal(reader, tmp_path / name)


@pytest.mark.parametrize("extension", ["jpg", "tif", "bmp", "gif"])
def test_truncated_files_of_other_formats_are_refused(tmp_path, colour, extension):
    whole = saved(tmp_path / f"a.{extension}", np.tile(colour, (20, 20, 1))).read_bytes()
    path = tmp_path / f"half.{extension}"
    path.write_bytes(whole[: len(whole) // 2])
    assert "no readable" in refusal(images.read_any, path)


@pytest.mark.parametrize("share", [1.5, 4.0])  # Pillow warns above 1, and raises above 2
def test_decompression_bomb_is_refused(tmp_path, monkeypatch, share):
    path = saved(tmp_path / "a.png", np.zeros((40, 40), np.uint8))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", int(1600 / share))
    assert "pixels; crop or reduce it" in refusal(images.read_any, path)


@pytest.mark.parametrize("extension", ["png", "tif", "bmp", "gif"])
def test_lossless_grey_is_repeated_in_three_channels(tmp_path, grey, extension):
    image = images.read_any(saved(tmp_path / f"a.{extension}", grey))
    assert image.dtype == torch.float32
    assert torch.equal(image, torch.from_numpy(grey / np.float32(255)).expand(3, -1, -1))


@pytest.mark.parametrize("extension", ["png", "tif", "bmp"])
def test_lossless_colour_is_exact(tmp_path, colour, extension):
    image = images.read_any(saved(tmp_path / f"a.{extension}", colour))
    assert np.array_equal(images.to_8bit(image), colour)


def test_jpeg_is_near(tmp_path):
    flat = np.full((16, 16, 3), (200, 100, 50), np.uint8)
    image = images.read_any(saved(tmp_path / "a.jpg", flat, quality=95))
    assert np.abs(images.to_8bit(image).astype(int) - flat).max() <= 3


def test_palette_and_1_bit_are_looked_up(tmp_path, grey):
    two = (grey > 127).astype(np.uint8)
    indexed = Image.fromarray(two, mode=None).convert("P")
    indexed.putpalette([10, 20, 30, 200, 100, 0])
    image = images.read_any(saved(tmp_path / "p.png", indexed))
    assert np.array_equal(images.to_8bit(image)[two == 1], [[200, 100, 0]] * int(two.sum()))
    image = images.read_any(saved(tmp_path / "1.png", Image.fromarray(two * 255).convert("1")))
    assert np.array_equal(image[0].numpy(), two)


@pytest.mark.parametrize("extension", ["png", "tif"])
def test_16_bits_are_divided_by_65535(tmp_path, extension):
    deep = np.array([[0, 1, 256], [32768, 65534, 65535]], np.uint16)
    image = images.read_any(saved(tmp_path / f"a.{extension}", deep))
    np.testing.assert_allclose(image, np.stack([deep / 65535] * 3), atol=1e-7)


def test_transparency_is_laid_over_black(tmp_path, colour):
    alpha = np.full((6, 5, 1), 128, np.uint8)
    alpha[0] = 255
    alpha[1] = 0
    path = saved(tmp_path / "a.png", np.concatenate([colour, alpha], axis=2))
    image = images.to_8bit(images.read_any(path)).astype(int)
    assert np.array_equal(image[0], colour[0])
    assert not image[1].any()
    assert np.abs(image[2:] - colour[2:] * (128 / 255)).max() <= 1


def test_a_transparent_colour_and_palette_become_black(tmp_path, grey):
    grey[0, 0] = 7
    image = images.read_any(saved(tmp_path / "a.png", grey, transparency=7))
    assert torch.equal(image[:, torch.from_numpy(grey == 7)].unique(), torch.zeros(1))
    cut = Image.fromarray(grey).convert("RGBA")
    cut.putpixel((1, 1), (255, 255, 255, 0))
    assert images.read_any(saved(tmp_path / "a.gif", cut))[:, 1, 1].tolist() == [0, 0, 0]


def test_several_frames_and_floats_are_refused(tmp_path, grey):
    frames = [Image.fromarray(grey), Image.fromarray(255 - grey)]
    for extension in ("gif", "tif", "png"):
        path = tmp_path / f"two.{extension}"
        frames[0].save(path, save_all=True, append_images=frames[1:])
        assert "holds 2 frames" in refusal(images.read_any, path)
    for kind, mode in ((np.float32, "F"), (np.int32, "I")):
        path = saved(tmp_path / f"{mode}.tif", grey.astype(kind))
        assert f"mode {mode} has no stated range" in refusal(images.read_any, path)


def test_8_bit_rounds_halves_up_and_saturates():
    values = torch.tensor([[0.0, 0.5 / 255, 1.5 / 255, 254.49 / 255, 1.0, -3.0, 7.0]])
    values = values.double()
    values[0, 1:3] = torch.tensor([0.5 / 255, 1.5 / 255], dtype=torch.float64) + 1e-12
    assert images.to_8bit(values).tolist() == [[0, 1, 2, 254, 255, 0, 255]]
    assert images.to_8bit(torch.full((3, 2, 4), 0.5)).shape == (2, 4, 3)


def test_all_levels_survive_the_round_trip():
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert np.array_equal(images.to_8bit(images.to_unit(levels)), np.stack([levels] * 3, axis=-1))
    assert images.to_unit(levels).shape == (3, 16, 16)
    with pytest.raises(ValueError, match="uint8"):
        images.to_unit(levels.astype(float))


def test_read_any_follows_the_content_not_the_name(tmp_path, grey):
    buffer = io.BytesIO()
    Image.fromarray(grey).save(buffer, "BMP")
    (tmp_path / "a.png").write_bytes(buffer.getvalue())
    assert np.array_equal(images.to_8bit(images.read_any(tmp_path / "a.png"))[..., 0], grey)
