"""The embedded data source: what it promises to whoever uses its groups."""

import itertools
import socket

import numpy as np
import pytest

from tfsdiff.acquisition import phantom
from tfsdiff.acquisition.phantom import maps
from tfsdiff.acquisition.phantom.patient import draw_patient, has_lesion, plan_slices
from tfsdiff.acquisition.phantom.raster import reduce_area, to_bytes
from tfsdiff.common.errors import InputError
from tfsdiff.params import PhantomData

SEED = 4
ALL_MODALITIES = (*phantom.ANATOMICAL, *phantom.FUNCTIONAL)


def settings(**changes) -> PhantomData:
    values = {
        "source": "phantom",
        "input": "src/tfsdiff/data/phantom",
        "pixels": 64,
        "patients": 2,
        "slices_per_patient": 2,
        "combinations": ("CT_MR-T2_SPECT-Tc", "MR-T1_MR-Gad_PET-FDG"),
        "lesion_share": 0.5,
    }
    return PhantomData(**{**values, **changes})


@pytest.fixture(scope="module")
def groups() -> list[phantom.PhantomGroup]:
    return list(phantom.generate(settings(), SEED))


def same(first: phantom.PhantomGroup, second: phantom.PhantomGroup) -> bool:
    return all(map(np.array_equal, first.images, second.images))


def test_groups_carry_the_manifest_fields(groups):
    assert len({group.group for group in groups}) == 4
    assert [group.patient for group in groups] == ["phantom01"] * 2 + ["phantom02"] * 2
    for group in groups:
        assert group.group == f"{group.patient}-{group.slice}"
        assert len(group.slice) == 3
        assert group.combination == "_".join(group.modalities)


def test_combinations_are_dealt_to_the_patients_in_turn(groups):
    assert groups[0].combination == "CT_MR-T2_SPECT-Tc"
    assert groups[2].combination == "MR-T1_MR-Gad_PET-FDG"


def test_images_are_8_bit_grey_grey_and_colour(groups):
    for group in groups:
        assert [image.dtype for image in group.images] == [np.uint8] * 3
        assert [image.shape for image in group.images] == [(64, 64), (64, 64), (64, 64, 3)]


def test_background_is_black_and_the_head_fills_the_field(groups):
    for group in groups:
        for image in group.images:
            grey = image.max(-1) if image.ndim == 3 else image
            corners = np.stack([grey[:6, :6], grey[:6, -6:], grey[-6:, :6], grey[-6:, -6:]])
            assert corners.max() <= 8
            rows = np.flatnonzero(grey.max(1) > 40)
            assert 0.4 < np.ptp(rows) / 64 < 0.95


def test_the_same_seed_makes_the_same_images_and_another_others(groups):
    assert all(map(same, groups, phantom.generate(settings(), SEED)))
    other = next(phantom.generate(settings(), SEED + 1))
    assert not any(map(np.array_equal, groups[0].images, other.images))


def test_a_patient_does_not_depend_on_how_many_there_are(groups):
    alone = list(phantom.generate(settings(patients=1), SEED))
    assert [group.group for group in alone] == [group.group for group in groups[:2]]
    assert all(map(same, alone, groups[:2]))


def test_patients_differ(groups):
    patients = [draw_patient(SEED, number, 0.0) for number in (1, 2)]
    first, second = (phantom.render(one, 100, ("MR-T1",), 64)[0] for one in patients)
    assert np.abs(first.astype(int) - second).mean() > 8


@pytest.mark.parametrize(
    "pixels", [100, *(pytest.param(pixels, marks=pytest.mark.slow) for pixels in (16, 64, 256))]
)
def test_every_modality_at_every_size(pixels):
    images = phantom.render(draw_patient(SEED, 1, 0.0), 95, ALL_MODALITIES, pixels)
    assert len(ALL_MODALITIES) == 8
    for image, modality in zip(images, ALL_MODALITIES, strict=True):
        assert image.shape[:2] == (pixels, pixels)
        assert (image.ndim == 3) == (modality in phantom.FUNCTIONAL)
        assert image.max() > 60, modality


def test_smaller_images_show_the_same_place():
    patient = draw_patient(SEED, 1, 0.0)
    large, small = (phantom.render(patient, 95, ("MR-T1",), pixels)[0] for pixels in (256, 64))
    mean = large.reshape(64, 4, 64, 4).mean((1, 3))
    assert np.abs(mean - small).max() <= 1  # both were rounded to 8 bits


@pytest.mark.parametrize(
    "combination", ["MR-T1_MR-T2", "MR-T1_MR-T2_PET", "MR-T1_MR-T1_PET-FDG", "CT_PET-FDG_MR-T2", ""]
)
def test_a_wrong_combination_is_named_with_the_valid_ones(combination):
    with pytest.raises(InputError, match=r"MR-Gad.*SPECT-Tl"):
        phantom.generate(settings(combinations=(combination,)), SEED)


def test_no_combination_at_all_is_an_input_error():
    with pytest.raises(InputError, match="combinations is empty"):
        phantom.generate(settings(combinations=()), SEED)


def mutual_information(first: np.ndarray, second: np.ndarray) -> float:
    joint = np.histogram2d(first.ravel(), second.ravel(), bins=16)[0] / first.size
    independent = joint.sum(1, keepdims=True) * joint.sum(0, keepdims=True)
    seen = joint > 0
    return float((joint[seen] * np.log(joint[seen] / independent[seen])).sum())


@pytest.mark.slow
@pytest.mark.parametrize("modality", [name for name in ALL_MODALITIES if name != "MR-T2"])
def test_modalities_are_registered(modality):
    patient = draw_patient(SEED, 2, 0.0)
    fixed, moving = phantom.render(patient, 96, ("MR-T2", modality), 128)
    moving = moving.sum(-1, dtype=float) if moving.ndim == 3 else moving
    shifts = list(itertools.product((-3, 0, 3), repeat=2))
    scores = [mutual_information(fixed, np.roll(moving, shift, (0, 1))) for shift in shifts]
    assert shifts[int(np.argmax(scores))] == (0, 0)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.8])
def test_lesions_have_their_share_from_the_first_patients_on(share):
    for seed in range(10):
        carriers = [has_lesion(seed, number, share) for number in range(1, 101)]
        assert abs(sum(carriers) / 100 - share) <= 0.03
        assert any(carriers[:2])


def test_no_lesion_or_lesions_in_all():
    assert not any(has_lesion(SEED, number, 0.0) for number in range(1, 50))
    assert all(has_lesion(SEED, number, 1.0) for number in range(1, 50))


@pytest.mark.parametrize("count", [1, 4, 12])
@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_slices_are_distinct_and_half_of_them_meet_the_lesion(number, count):
    patient = draw_patient(SEED, number, 1.0)
    slices = plan_slices(patient, count)
    assert len(set(slices)) == count
    assert list(slices) == sorted(slices)
    off = np.abs(np.array(slices) - 72 - patient.lesion.centre[2])
    assert (off < patient.lesion.radius).sum() >= count // 2


def test_maps_are_read_without_network(monkeypatch):
    def refuse(*arguments):
        raise AssertionError("the phantom must not use the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    loaded = maps.load_maps.__wrapped__()  # not those that were loaded before
    assert loaded.grey.shape == loaded.white.shape
    assert loaded.grey.max() == 1.0


def test_missing_maps_are_an_input_error(monkeypatch, tmp_path):
    monkeypatch.setattr(maps, "_nilearn_folder", lambda: tmp_path)
    with pytest.raises(InputError, match="nilearn"):
        maps.load_maps.__wrapped__()


def test_area_reduction_keeps_the_mean_and_constants():
    image = np.random.default_rng(0).uniform(0, 255, (256, 256))
    for pixels in (256, 100, 16):
        reduced = reduce_area(image, pixels)
        assert reduced.mean() == pytest.approx(image.mean(), rel=1e-9)
        assert reduce_area(np.full((256, 256), 7.0), pixels) == pytest.approx(7.0)


def test_bytes_round_half_up_and_saturate():
    assert to_bytes(np.array([-3.0, 0.49, 0.5, 254.5, 300.0])).tolist() == [0, 0, 1, 255, 255]
