"""Nearest neighbours across the parts: found as by brute force, and where a split leaks, near."""

from statistics import fmean, median

import numpy as np
import pytest
import torch
from PIL import Image

from tfsdiff.acquisition import phantom
from tfsdiff.common.errors import InputError
from tfsdiff.data.slices import Group, image_path, read_manifest, write_folder
from tfsdiff.data.split import split
from tfsdiff.evaluation.leakage import PIXELS, neighbours
from tfsdiff.evaluation.similarity import correlation, similarities
from tfsdiff.params import PhantomData, Split

SIDE = 2 * PIXELS
COMBINATIONS = ("CT_MR-T2_SPECT-Tc", "MR-T1_MR-T2_PET-FDG", "MR-T1_MR-Gad_PET-FDG")


def group(number, combination, patient="p"):
    return Group(f"g{number}", combination, patient, number, *combination.split("_"))


def pictures(seed):
    """Coarse random images: white noise would be alike after no reduction."""
    random = np.random.default_rng(seed)
    made = random.integers(0, 256, (5, 8, 8), dtype=np.uint8).repeat(SIDE // 8, 1)
    made = made.repeat(SIDE // 8, 2)
    return made[0], made[1], np.stack([*made[2:]], axis=-1)


@pytest.fixture
def folder(tmp_path):
    """Nine groups, three a combination; some share two modalities, one or none."""
    groups = [group(number, COMBINATIONS[number % 3]) for number in range(9)]
    write_folder(tmp_path / "raw", ((one, pictures(one.slice)) for one in groups))
    return tmp_path / "raw"


def test_an_image_is_like_itself_at_any_gain_and_window(rng):
    image = torch.rand(3, 16, 16, generator=rng)
    other = torch.rand(3, 16, 16, generator=rng)
    found = correlation(torch.stack([image, 0.3 * image, 0.5 * image + 0.4, 1 - image, other]))
    assert found.dtype == torch.float64
    expected = torch.tensor([1, 1, 1, -1], dtype=torch.float64)
    torch.testing.assert_close(found[0, :4], expected, atol=1e-6, rtol=0)
    torch.testing.assert_close(found[0, 4], found[1, 4], atol=1e-6, rtol=0)
    assert abs(found[0, 4]) < 0.3


def test_an_image_without_contrast_has_no_correlation(rng):
    found = correlation(torch.stack([torch.rand(8, 8, generator=rng), torch.full((8, 8), 0.1)]))
    assert found.isnan().tolist() == [[False, True], [True, True]]


def test_gain_and_window_of_the_files_change_nothing(folder):
    groups = read_manifest(folder)
    before = similarities(folder, groups)
    for modality in groups[0].modalities:  # of one group, each another window
        path = image_path(folder, groups[0], modality)
        levels = np.asarray(Image.open(path)).astype(float)
        Image.fromarray(np.round(levels * 0.6 + 40).astype(np.uint8)).save(path)
    torch.testing.assert_close(
        similarities(folder, groups), before, atol=1e-3, rtol=0, equal_nan=True
    )


def reduced(folder, one, modality):
    pixels = np.asarray(Image.open(image_path(folder, one, modality)).convert("RGB"))
    bands = [Image.fromarray(pixels[..., band].astype(np.float32)) for band in range(3)]
    small = [band.resize((PIXELS, PIXELS), Image.Resampling.BICUBIC) for band in bands]
    return np.clip(np.stack([np.asarray(band) for band in small]), 0, 255).ravel()


def by_brute_force(folder, first, second):
    shared = [modality for modality in first.modalities if modality in second.modalities]
    values = [
        np.corrcoef(reduced(folder, first, modality), reduced(folder, second, modality))[0, 1]
        for modality in shared
    ]
    return fmean(values) if values else None


def test_similarity_and_nearest_are_those_of_brute_force(folder):
    groups = read_manifest(folder)
    found = similarities(folder, groups)
    torch.testing.assert_close(found, found.T, equal_nan=True)
    torch.testing.assert_close(found.diagonal(), torch.ones(9, dtype=torch.float64))
    for i, first in enumerate(groups):
        for j, second in enumerate(groups):
            value = by_brute_force(folder, first, second)
            assert found[i, j].isnan() if value is None else abs(found[i, j] - value) < 1e-4
    held_out, training = groups[::2], groups[1::2]
    for one, group in zip(
        neighbours(groups, found.numpy(), held_out, training), held_out, strict=True
    ):
        values = {other.group: by_brute_force(folder, group, other) for other in training}
        values = {name: value for name, value in values.items() if value is not None}
        assert one.group == group
        assert one.nearest.group == max(values, key=values.__getitem__)
        assert one.similarity == pytest.approx(max(values.values()), abs=1e-4)


def test_what_shares_nothing_is_no_neighbour(folder):
    groups = read_manifest(folder)
    found = similarities(folder, groups)
    (alone,) = neighbours(groups, found.numpy(), [groups[0]], [groups[2], groups[5]])
    assert (alone.nearest, alone.similarity, alone.patient_seen) == (None, None, True)
    (one,) = neighbours(groups, found.numpy(), [groups[0]], [groups[2], groups[4]])
    assert one.nearest == groups[4]


def test_an_empty_image_is_left_out_of_the_mean(folder):
    groups = read_manifest(folder)
    full = similarities(folder, groups)[0, 3].item()
    path = image_path(folder, groups[0], "SPECT-Tc")
    Image.fromarray(np.zeros((SIDE, SIDE, 3), np.uint8)).save(path)
    found = similarities(folder, groups)[0, 3].item()
    images = [[reduced(folder, groups[i], name) for name in ("CT", "MR-T2")] for i in (0, 3)]
    values = [np.corrcoef(a, b)[0, 1] for a, b in zip(*images, strict=True)]
    assert found == pytest.approx(fmean(values), abs=1e-4)
    assert found != pytest.approx(full, abs=1e-3)


def test_patients_in_training_are_noticed(tmp_path):
    groups = [group(i, COMBINATIONS[0], patient) for i, patient in enumerate("aab")]
    write_folder(tmp_path, ((one, pictures(one.slice)) for one in groups))
    found = neighbours(groups, similarities(tmp_path, groups).numpy(), groups[1:], groups[:1])
    assert [one.patient_seen for one in found] == [True, False]


def test_a_missing_image_is_named(folder):
    groups = read_manifest(folder)
    image_path(folder, groups[4], "PET-FDG").unlink()
    with pytest.raises(InputError, match=r"g4/PET-FDG\.png: does not exist"):
        similarities(folder, groups)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """Four virtual patients with twelve slices each: neighbours are a few millimetres apart."""
    settings = PhantomData(
        source="phantom", input="", pixels=PIXELS, patients=4, slices_per_patient=12,
        combinations=COMBINATIONS[:1], lesion_share=0.5,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("cohort")
    write_folder(
        folder,
        (
            (Group(one.group, one.combination, one.patient, int(one.slice), *one.modalities),
             one.images)
            for one in phantom.generate(settings, 3)
        ),
    )  # fmt: skip
    return folder


def nearest_own_and_foreign(groups, found):
    """Highest similarity to a slice of the same patient, and of others, for every group."""
    same = torch.tensor([[a.patient == b.patient for b in groups] for a in groups])
    itself = torch.eye(len(groups), dtype=torch.bool)
    found = found.nan_to_num(-1)
    return (found.masked_fill(mask, -1).amax(1) for mask in (~same | itself, same))


def reached(groups, found, rule, seed):
    """Similarities of the nearest groups in training, of all that are tested on."""
    settings = Split(rule=rule, train=84, validation=10, test=25, gap_slices=2, test_patient=None)
    part = {place.group: place.part for place in split(groups, settings, seed)}
    held_out, training = (
        [one for one in groups if part[one.group] == name] for name in ("test", "train")
    )
    near = neighbours(groups, found.numpy(), held_out, training)
    if rule == "patient":
        assert not any(one.patient_seen for one in near)
    return [one.similarity for one in near]


def assert_that_random_leaks(folder, nearer, margin):
    groups = read_manifest(folder)
    found = similarities(folder, groups)
    own, foreign = nearest_own_and_foreign(groups, found)
    assert (own > foreign).double().mean() > nearer
    for seed in range(5):
        random, patient = (reached(groups, found, rule, seed) for rule in ("random", "patient"))
        assert fmean(random) > fmean(patient) + margin
        assert median(random) > median(patient) + margin


@pytest.mark.slow
def test_random_leaks_more_than_patient_on_the_phantom(cohort):
    assert_that_random_leaks(cohort, nearer=0.8, margin=0.01)


@pytest.mark.shared
def test_random_leaks_more_than_patient_on_real_slices(shared):
    assert_that_random_leaks(shared / "data/harvard-triples", nearer=0.9, margin=0.05)
