from pathlib import Path

import numpy as np
import pytest
import yaml

from tfsdiff.acquisition.atlas.checks import content_share, cut_share, displacement, examine
from tfsdiff.acquisition.phantom import generate
from tfsdiff.data.images import read
from tfsdiff.params import Checks, PhantomData

CONF = Path(__file__).resolve().parents[3] / "workflow/conf/data/atlas.yaml"
NAMES = ("MR-T1", "MR-T2", "PET")
SEARCH = 16


@pytest.fixture(scope="module")
def limits():
    return Checks.model_validate(yaml.safe_load(CONF.read_text(encoding="utf-8"))["checks"])


@pytest.fixture(scope="module")
def images():
    settings = PhantomData(
        source="phantom",
        input="",
        pixels=256,
        patients=1,
        slices_per_patient=3,
        combinations=("MR-T1_MR-T2_PET-FDG",),
        lesion_share=0.0,
    )
    return list(generate(settings, seed=3))[1].images


def failed(images, limits):
    return [one.check for one in examine(images, NAMES, limits) if not one.passed]


def disc(radius=60, side=256):
    down, right = np.indices((side, side)) - side // 2
    return np.where(np.hypot(down, right) <= radius, 200, 0).astype(np.uint8)


def test_registered_phantom_passes_and_everything_is_measured(images, limits):
    findings = examine(images, NAMES, limits)
    assert [one.check for one in findings] == [
        "displacement MR-T1 / MR-T2",
        "displacement MR-T1 / PET",
        "displacement MR-T2 / PET",
        "cut PET",
        "content MR-T1",
        "content MR-T2",
        "content PET",
    ]
    assert all(one.passed for one in findings)


@pytest.mark.parametrize("shift", [(0, 0), (7, 0), (0, -5), (-8, 8), (11, -4), (16, 16)])
def test_shifted_copy_is_found_with_its_shift(images, shift):
    moved = np.roll(images[0], shift, axis=(0, 1))
    assert displacement(images[0], moved, SEARCH) == pytest.approx(np.hypot(*shift))


def test_brightness_that_is_turned_round_does_not_matter(images):
    moved = np.roll(255 - images[0], (6, -3), axis=(0, 1))
    assert displacement(images[0], moved, SEARCH) == pytest.approx(np.hypot(6, 3), abs=1.5)


@pytest.mark.parametrize("which", [1, 2])
def test_group_with_a_shifted_image_is_rejected(images, limits, which):
    moved = list(images)
    moved[which] = np.roll(images[which], (12, 0), axis=(0, 1))
    assert any(NAMES[which] in check for check in failed(moved, limits))


@pytest.mark.parametrize("share", [0.25, 0.5])
@pytest.mark.parametrize("turns", range(4))
def test_cut_uptake_is_rejected(images, limits, share, turns):
    turned = np.rot90(images[2], turns).copy()
    rows = np.flatnonzero(turned.max(axis=(1, 2)) > 40)
    turned[: rows[0] + round(share * len(rows))] = 0
    assert cut_share(turned) > limits.cut_share


def test_cut_across_the_grid_is_found():
    down, right = np.indices((256, 256)) - 128
    cut = disc() * (down + 0.5 * right < 20)
    assert cut_share(cut.astype(np.uint8)) > 0.8


def test_cut_by_the_border_of_the_image_is_found(limits):
    assert cut_share(disc()[100:]) > limits.cut_share


@pytest.mark.parametrize("radius", [30, 60, 100])
def test_disc_touches_a_line_as_computed(radius):
    assert cut_share(disc(radius)) == pytest.approx(np.sqrt(2 * 2.5 / radius), abs=0.08)


@pytest.mark.parametrize("level", [0, 128])
def test_constant_images_do_not_move(images, level):
    assert displacement(images[0], np.full((256, 256), level, np.uint8), SEARCH) == 0


@pytest.mark.parametrize("which", range(3))
def test_black_slice_is_rejected_as_empty(images, limits, which):
    emptied = list(images)
    emptied[which] = np.zeros_like(images[which])
    assert failed(emptied, limits) == [f"content {NAMES[which]}"]


@pytest.mark.parametrize("level", [0, 128, 255])
def test_an_image_of_one_level_shows_nothing(level):
    assert content_share(np.full((50, 50), level, np.uint8)) == 0


def test_content_counts_what_is_lit():
    image = np.zeros((100, 100), np.uint8)
    image[:, :25] = 200
    assert content_share(image) == pytest.approx(0.25, abs=0.03)


def test_faint_noise_is_no_content():
    noise = np.abs(np.random.default_rng(1).normal(0, 10, (256, 256))).astype(np.uint8)
    assert content_share(noise) < 0.01


def test_sizes_must_agree(images, limits):
    small = images[1][:128]
    with pytest.raises(ValueError, match="sizes differ"):
        examine((images[0], small, images[2]), NAMES, limits)
    with pytest.raises(ValueError, match="sizes differ"):
        displacement(images[0], small, SEARCH)


def test_search_must_fit():
    with pytest.raises(ValueError, match="too few"):
        displacement(disc(10, 32), disc(10, 32), SEARCH)


def triple(shared, group, names):
    return [read(shared / f"data/harvard-triples/images/{group}/{name}.png") for name in names]


@pytest.mark.shared
@pytest.mark.parametrize("group", ["petnormal-015", "petnormal-023"])
def test_real_group_passes(shared, limits, group):
    assert failed(triple(shared, group, ["MR-T1", "MR-T2", "PET-FDG"]), limits) == []


@pytest.mark.shared
@pytest.mark.parametrize("group", ["case18-034", "case28-005", "case28-006"])
def test_real_scan_that_ends_below_the_forehead_is_found(shared, limits, group):
    assert cut_share(triple(shared, group, ["SPECT-Tc"])[0]) > limits.cut_share


@pytest.mark.shared
def test_real_ct_of_another_tilt_is_found(shared, limits):
    found = failed(triple(shared, "case21-006", ["CT", "MR-T2", "SPECT-Tc"]), limits)
    assert found == ["displacement MR-T1 / MR-T2"]
