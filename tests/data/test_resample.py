import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter

from tfsdiff.data.images import to_8bit
from tfsdiff.data.resample import enlarge, enlarge_as_pillow, reduce, resize

SCALES = (2, 4, 8)


def brain(height=64, width=48):
    """Smooth blob with texture on black, (H, W) in [0, 1]."""
    rows, columns = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    texture = gaussian_filter(np.random.default_rng(1).random((height, width)), 1.5)
    return torch.from_numpy(((rows**2 + columns**2 < 0.6) * texture).astype(np.float32))


def pillow(image, height, width):
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC))


@pytest.mark.parametrize("scale", SCALES)
def test_agrees_with_pillow_in_float(rng, scale):
    image = torch.rand(64, 48, generator=rng)
    for ours, size in (
        (reduce(image, scale), (64 // scale, 48 // scale)),
        (enlarge(image, scale), (64 * scale, 48 * scale)),
    ):
        theirs = pillow(image.numpy(), *size).clip(0, 1)
        np.testing.assert_allclose(ours.numpy(), theirs, atol=1e-5, rtol=0)


@pytest.mark.parametrize("scale", SCALES)
def test_agrees_with_pillow_in_8_bits_within_a_level(scale):
    # Where nothing overshoots: Pillow clips (and rounds) between rows and columns in 8 bits.
    pixels = to_8bit(brain() * 0.6 + 0.2)
    image = torch.from_numpy(pixels / np.float32(255))
    for ours, size in (
        (reduce(image, scale), (64 // scale, 48 // scale)),
        (enlarge(image, scale), (64 * scale, 48 * scale)),
    ):
        difference = to_8bit(ours).astype(int) - pillow(pixels, *size)
        assert np.abs(difference).max() <= 1


@pytest.mark.shared
@pytest.mark.parametrize("scale", SCALES)
def test_agrees_with_pillow_on_real_slices(shared, scale):
    for name in ("MR-T2", "SPECT-Tc"):
        path = next((shared / "data/harvard-triples/images").glob(f"case21-*/{name}.png"))
        pixels = np.asarray(Image.open(path).convert("L"))
        ours = to_8bit(reduce(torch.from_numpy(pixels / np.float32(255)), scale))
        exact = pillow(pixels.astype(np.float32), 256 // scale, 256 // scale)
        difference = np.abs(ours.astype(int) - np.floor(exact.clip(0, 255) + 0.5))
        assert difference.max() <= 1  # ties only
        assert (difference > 0).mean() < 2e-3


@pytest.mark.parametrize("scale", SCALES)
def test_kernel_is_keys_with_a_half_widened_by_the_scale(scale):
    impulse = torch.zeros(1, 16 * scale, dtype=torch.float64)
    impulse[0, 8 * scale] = 0.5  # half, so that clipping leaves the top alone
    centres = (torch.arange(16 * scale) + 0.5) / scale - 0.5
    distance = (centres[8 * scale] - torch.arange(16)).abs()
    near = 1.5 * distance**3 - 2.5 * distance**2 + 1
    far = -0.5 * distance**3 + 2.5 * distance**2 - 4 * distance + 2
    kernel = torch.where(distance < 1, near, torch.where(distance < 2, far, 0.0)) / scale
    # One row: rows are reduced too, so give the kernel a column of constants.
    result = reduce(impulse.expand(16 * scale, -1), scale)
    torch.testing.assert_close(
        result[4], (0.5 * kernel).clamp(0).double(), atol=2e-3 / scale, rtol=0
    )


@pytest.mark.parametrize("scale", SCALES)
def test_scale_is_exact_and_constants_are_kept(scale):
    for value in (0.0, 0.3, 1.0):
        image = torch.full((2, 3, 3, 16, 24), value)
        low, high = reduce(image, scale), enlarge(image, scale)
        assert low.shape == (2, 3, 3, 16 // scale, 24 // scale)
        assert high.shape == (2, 3, 3, 16 * scale, 24 * scale)
        for result in (low, high):
            torch.testing.assert_close(result, torch.full_like(result, value), atol=1e-6, rtol=0)


@pytest.mark.parametrize("scale", SCALES)
def test_mean_is_kept(rng, scale):
    image = torch.zeros(128, 128, dtype=torch.float64)
    smooth = gaussian_filter(torch.rand(64, 64, generator=rng).numpy(), 2 * scale)
    image[32:96, 32:96] = torch.from_numpy(smooth) * 0.2 + 0.4
    image = torch.from_numpy(gaussian_filter(image.numpy(), 2 * scale))  # nothing to clip
    assert reduce(image, scale).mean() == pytest.approx(image.mean().item(), rel=2e-3)
    assert enlarge(image, scale).mean() == pytest.approx(image.mean().item(), rel=2e-3)


def test_grids_cover_the_same_square(rng):
    image = torch.rand(16, 24, generator=rng, dtype=torch.float64)
    for function in (reduce, enlarge):
        mirrored = function(image.flip(0, 1), 2).flip(0, 1)
        torch.testing.assert_close(mirrored, function(image, 2), atol=1e-12, rtol=0)


def test_smooth_image_survives_there_and_back():
    ramp = torch.linspace(0.1, 0.9, 64, dtype=torch.float64).expand(64, -1)
    back = enlarge(reduce(ramp, 4), 4)
    torch.testing.assert_close(back[:, 16:-16], ramp[:, 16:-16], atol=1e-3, rtol=0)


def test_results_are_clipped_and_independent_of_the_batch(rng):
    images = (torch.rand(3, 3, 16, 16, generator=rng) > 0.5).float()
    large = enlarge(images, 4)
    assert large.min() == 0
    assert large.max() == 1
    small = reduce(images, 2)
    for index, one in enumerate(images):
        assert torch.equal(enlarge(one, 4), large[index])
        assert torch.equal(reduce(one[0], 2), small[index, 0])


def test_scale_one_changes_nothing_and_shares_nothing(rng):
    image = torch.rand(5, 7, generator=rng)
    for result in (reduce(image, 1), enlarge(image, 1)):
        assert torch.equal(result, image)
        assert result.data_ptr() != image.data_ptr()


def test_resize_goes_both_ways_with_the_same_kernel(rng):
    image = torch.rand(2, 3, 32, 32, generator=rng)
    assert torch.equal(resize(image, 16), reduce(image, 2))
    assert torch.equal(resize(image, 64), enlarge(image, 2))
    assert resize(image, 20).shape == (2, 3, 20, 20)
    theirs = pillow(image[0, 0].numpy(), 20, 20).clip(0, 1)
    np.testing.assert_allclose(resize(image, 20)[0, 0].numpy(), theirs, atol=1e-5)


SIDES = [(1, 1), (2, 3), (5, 4), (7, 31), (33, 21), (64, 64), (61, 127)]


@pytest.mark.parametrize("scale", [1, 2, 3, 4, 5, 8])
@pytest.mark.parametrize("size", SIDES)
def test_enlarges_as_pillow_to_the_bit(rng, scale, size):
    height, width = size
    noise = torch.randint(0, 256, (3, *size), generator=rng, dtype=torch.uint8)
    hard = 255 * (noise > 127).to(torch.uint8)  # overshoots, so clipping between the passes counts
    for pixels in (noise, hard):
        theirs = Image.fromarray(pixels.permute(1, 2, 0).numpy()).resize(
            (width * scale, height * scale), Image.Resampling.BICUBIC
        )
        ours = enlarge_as_pillow(pixels.float() / 255, scale)
        expected = torch.from_numpy(np.array(theirs)).permute(2, 0, 1).float() / 255
        assert torch.equal(ours, expected)


def test_enlarging_as_pillow_rounds_first_and_keeps_shape_and_type(rng):
    images = torch.rand(2, 3, 5, 6, generator=rng, dtype=torch.float64)
    rounded = torch.from_numpy(to_8bit(images[0])).permute(2, 0, 1).double() / 255
    assert torch.equal(enlarge_as_pillow(images, 1)[0], rounded)
    large = enlarge_as_pillow(images, 4)
    assert large.shape == (2, 3, 20, 24)
    assert large.dtype == torch.float64
    assert torch.equal(large[0], enlarge_as_pillow(rounded, 4))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: reduce(torch.zeros(10, 9), 2), "10 x 9 pixels cannot be divided by scale 2"),
        (lambda: reduce(torch.zeros(8, 8), 0), "at least 1, not 0"),
        (lambda: enlarge(torch.zeros(8, 8), -1), "at least 1, not -1"),
        (lambda: enlarge_as_pillow(torch.zeros(8, 8), 0), "at least 1, not 0"),
        (lambda: enlarge_as_pillow(torch.full((8, 8), 255.0), 2), r"in \[0, 1\]"),
        (lambda: resize(torch.zeros(8, 6), 4), "must be square, not 8 x 6"),
        (lambda: enlarge(torch.zeros(8), 2), r"\(\.\.\., H, W\)"),
        (lambda: enlarge(torch.zeros(8, 8, dtype=torch.uint8), 2), "floating-point"),
        (lambda: reduce(torch.full((8, 8), 255.0), 2), r"in \[0, 1\]"),
        (lambda: reduce(torch.full((8, 8), torch.nan), 2), r"in \[0, 1\]"),
    ],
)
def test_wrong_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
