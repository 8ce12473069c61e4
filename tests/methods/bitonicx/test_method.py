import numpy as np
import pytest
import torch
from pydantic import ValidationError

from conformance import (
    REFERENCES,
    as_saved_by_octave,
    batch,
    group,
    psnr,
    reference,
)
from inputs import generators
from tfsdiff.core.tensors import Batch
from tfsdiff.data.colour import grey
from tfsdiff.methods.bitonicx.method import BitonicX, Settings, energy, fuse_bitonicx
from tfsdiff.methods.classical import Group

RELEASED = {"threshold": 3.0, "iterations": 110, "majority_pixels": 19}
PAPER, OFFICIAL = (Settings(mode=mode, **RELEASED) for mode in ("paper", "official"))


def fuse(images, settings=PAPER, seed=0):
    return fuse_bitonicx(Group(*images), settings, np.random.default_rng(seed))


def round_half_up(image):
    return np.floor(np.clip(image, 0, 1) * 255 + 0.5)


@pytest.mark.slow
@pytest.mark.shared
@pytest.mark.parametrize("name", REFERENCES)
def test_conforms_to_the_authors_code(shared, name):
    sources, fused, intermediate = reference(shared, "bitonicx", name)
    ours, middle = fuse(sources)
    # The fused images are the same to the bit; what is left of the other is rounding of sums.
    np.testing.assert_array_equal(as_saved_by_octave(ours), fused)
    assert psnr(round_half_up(ours), fused) >= 55
    assert psnr(round_half_up(middle), round_half_up(intermediate / 65535)) >= 70
    assert np.abs(np.clip(middle, 0, 1) - intermediate / 65535).max() < 1e-4


@pytest.mark.slow
@pytest.mark.shared
def test_conforms_through_the_method_interface(shared):
    sources, fused, _ = reference(shared, "bitonicx", REFERENCES[1])
    result = BitonicX(PAPER).fuse(batch(sources), generators(1))[0]
    assert psnr(round_half_up(result.permute(1, 2, 0).numpy()), fused) >= 55


@pytest.mark.slow
@pytest.mark.shared
def test_official_mode_is_close_to_the_authors_intent(shared):
    sources, fused, _ = reference(shared, "bitonicx", REFERENCES[1])
    assert psnr(round_half_up(fuse(sources, OFFICIAL)[0]), fused) >= 35


@pytest.mark.parametrize("settings", [PAPER, OFFICIAL])
def test_constant_images_give_a_constant(settings):
    shape = (40, 36)
    fused, middle = fuse(
        [np.full(shape, 0.2), np.full(shape, 0.5), np.full((*shape, 3), 0.4)], settings
    )
    assert (middle == 0.5).all()
    np.testing.assert_allclose(fused, 0.5, atol=1e-12)


@pytest.mark.parametrize("settings", [PAPER, OFFICIAL])
def test_black_images_stay_black(settings):
    fused, middle = fuse([*np.zeros((2, 35, 35)), np.zeros((35, 35, 3))], settings)
    assert not fused.any()
    assert not middle.any()


def test_an_image_with_itself_gives_itself():
    # The layers of step 1 and 5 add up again, and equal images cannot be told apart.
    image, *_ = group(48, 40)
    fused, middle = fuse([image, image, np.repeat(image[..., None], 3, axis=2)])
    np.testing.assert_allclose(middle, image, atol=1e-12)
    np.testing.assert_allclose(fused, np.repeat(image[..., None], 3, axis=2), atol=1e-9)


@pytest.mark.parametrize("settings", [PAPER, OFFICIAL])
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (2, 3), (16, 16), (30, 47), (64, 33)])
def test_any_size_gives_finite_output(shape, settings):
    fused, middle = fuse(group(*shape), settings)
    assert fused.shape == (*shape, 3)
    assert middle.shape == shape
    assert np.isfinite(fused).all()
    assert np.isfinite(middle).all()
    assert fused.min() >= 0
    assert fused.max() <= 1


@pytest.mark.parametrize("pixels", [16, 40])
def test_a_grey_functional_image_gives_a_grey_fusion(pixels):
    a, b, functional = group(pixels, pixels)
    fused, _ = fuse([a, b, np.repeat(functional[..., :1], 3, axis=2)])
    np.testing.assert_allclose(np.ptp(fused, axis=2), 0, atol=1e-12)


def test_chroma_comes_from_the_functional_image():
    a, b, functional = group()
    fused, _ = fuse([a / 2, b / 2, 0.3 + functional / 4])  # inside the range: nothing clipped
    difference = fused - (0.3 + functional / 4)
    np.testing.assert_allclose(np.ptp(difference, axis=2), 0, atol=1e-12)


def test_only_the_official_mode_draws_noise():
    images = group()
    np.testing.assert_array_equal(fuse(images, PAPER, 0)[0], fuse(images, PAPER, 1)[0])
    np.testing.assert_array_equal(fuse(images, OFFICIAL, 0)[0], fuse(images, OFFICIAL, 0)[0])
    detail = images[0] - images[1]
    draws = [energy(detail, "official", np.random.default_rng(seed)) for seed in (0, 1)]
    assert (draws[0] != draws[1]).any()


def test_official_energy_takes_the_real_part_of_the_power():
    detail = group()[0] + 0.1
    energies = [energy(sign * detail, "official", np.random.default_rng(0)) for sign in (1, -1)]
    np.testing.assert_allclose(energies[1], energies[0] * np.cos(0.01 * np.pi))
    energies = [energy(sign * detail, "paper", np.random.default_rng(0)) for sign in (1, -1)]
    np.testing.assert_array_equal(energies[0], energies[1])


@pytest.mark.parametrize("settings", [PAPER, OFFICIAL])
def test_method_fuses_each_image_by_itself(settings):
    groups = [group(seed=0), group(seed=1)]
    both = BitonicX(settings).fuse(batch(*groups), generators(2, 5))
    alone = BitonicX(settings).fuse(batch(groups[1]), generators(1, 6))
    assert both.shape == (2, 3, 40, 33)
    assert both.dtype == torch.float32
    assert torch.equal(both[1:], alone)
    expected, _ = fuse([image.astype(np.float32) for image in groups[0]], settings)
    if settings.mode == "paper":
        np.testing.assert_allclose(both[0].permute(1, 2, 0), expected, atol=1e-6)


def test_method_takes_coloured_anatomical_images_as_grey():
    a, b, functional = group()
    sources = batch((a, b, functional))
    coloured = sources.sources.clone()
    coloured[:, 0] = torch.from_numpy(functional).permute(2, 0, 1)
    result = BitonicX(PAPER).fuse(Batch(("0",), coloured), generators(1))
    arrays = coloured[0].permute(0, 2, 3, 1).double().numpy()
    expected, _ = fuse([grey(arrays[0]), grey(arrays[1]), arrays[2]])
    np.testing.assert_allclose(result[0].permute(1, 2, 0), expected, atol=1e-6)


def test_sizes_that_differ_raise():
    a, b, functional = group()
    with pytest.raises(ValueError, match="must be"):
        fuse([a, b[1:], functional])
    with pytest.raises(ValueError, match="must be"):
        fuse([a, b, functional[..., 0]])


@pytest.mark.parametrize(
    "wrong", [{"mode": "matlab"}, {"threshold": 0}, {"iterations": 0}, {"majority_pixels": 4}]
)
def test_wrong_settings_are_refused(wrong):
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        Settings(**{"mode": "paper", **RELEASED, **wrong})
