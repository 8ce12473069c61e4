"""The phantom's contrasts: what is bright where, by the physics of every modality."""

import numpy as np
import pytest
from PIL import Image

from tfsdiff.acquisition import phantom
from tfsdiff.acquisition.phantom import mri
from tfsdiff.acquisition.phantom.anatomy import tissue_fractions
from tfsdiff.acquisition.phantom.fields import axial_plane, draw_field
from tfsdiff.acquisition.phantom.patient import ZERO_SLICE, Patient, draw_patient
from tfsdiff.acquisition.phantom.tissues import INDEX, TISSUES
from tfsdiff.data import colourmap

SEED = 4
SLICE = 92


@pytest.fixture(scope="module")
def healthy() -> Patient:
    return draw_patient(SEED, 1, 0.0)


@pytest.fixture(scope="module")
def tumour() -> Patient:
    patients = (draw_patient(SEED, number, 1.0) for number in range(1, 30))
    return next(patient for patient in patients if patient.lesion.kind == "tumour")


def fractions(patient: Patient, index: int) -> np.ndarray:
    return tissue_fractions(patient, axial_plane(index - ZERO_SLICE, 256, 1))


def means(patient: Patient, index: int, modality: str, *tissues: str) -> list[float]:
    image = phantom.render(patient, index, (modality,), 256)[0]
    image = image.sum(-1, dtype=float) / 3 if image.ndim == 3 else image
    parts = fractions(patient, index)
    return [float(image[parts[INDEX[tissue]] > 0.9].mean()) for tissue in tissues]


@pytest.mark.slow
def test_fractions_sum_to_one_and_are_not_negative(healthy, tumour):
    for patient in (healthy, tumour):
        parts = fractions(patient, SLICE)
        assert parts.min() >= 0
        np.testing.assert_allclose(parts.sum(0), 1, atol=1e-5)


def test_the_head_has_the_proportions_of_a_head(healthy):
    parts = fractions(healthy, SLICE)
    height = np.ptp(np.flatnonzero((parts[INDEX["air"]] < 0.5).any(1)))
    grey, white = parts[INDEX["grey"]].sum(), parts[INDEX["white"]].sum()
    assert 165 < height < 235
    assert 0.6 < grey / white < 2.0


def test_t1_darkens_csf_and_shows_white_matter_brighter_than_grey(healthy):
    csf, grey, white, fat = means(healthy, SLICE, "MR-T1", "csf", "grey", "white", "fat")
    assert csf < grey < white < fat


def test_t2_brightens_csf_and_grey_matter(healthy):
    csf, grey, white = means(healthy, SLICE, "MR-T2", "csf", "grey", "white")
    assert white < grey < csf
    assert csf > 200


def test_proton_density_shows_grey_matter_brighter_than_white(healthy):
    grey, white = means(healthy, SLICE, "MR-PD", "grey", "white")
    assert white < grey


def test_ct_saturates_the_skull_and_orders_tissues_by_hounsfield(healthy):
    image, tissues = "CT", ("air", "csf", "white", "grey", "marrow")
    values = means(healthy, SLICE, image, *tissues)
    assert values == sorted(values)
    assert values[0] < 1
    assert values[-1] > 250


@pytest.mark.parametrize("modality", ["PET-FDG", "SPECT-Tc"])
def test_functional_images_show_grey_matter_above_white(healthy, modality):
    activity = phantom.nuclear.render(healthy, SLICE - ZERO_SLICE, 256, modality)
    parts = fractions(healthy, SLICE)
    csf, grey, white = (activity[parts[INDEX[t]] > 0.95].mean() for t in ("csf", "grey", "white"))
    assert grey > 1.5 * white
    assert grey > 1.5 * csf


def test_thallium_marks_the_tumour_and_spares_the_brain(tumour):
    z = float(tumour.lesion.centre[2])
    activity = phantom.nuclear.render(tumour, z, 256, "SPECT-Tl")
    parts = tissue_fractions(tumour, axial_plane(z, 256, 1))
    assert (
        activity[parts[INDEX["rim"]] > 0.9].mean()
        > 2 * activity[parts[INDEX["white"]] > 0.9].mean()
    )


def test_the_rim_enhances_with_gadolinium_only(tumour):
    index = round(tumour.lesion.centre[2]) + ZERO_SLICE
    rim, white = means(tumour, index, "MR-Gad", "rim", "white")
    assert rim > 1.4 * white
    rim, white = means(tumour, index, "MR-T1", "rim", "white")
    assert rim < white


def test_oedema_and_necrosis_are_bright_in_t2(tumour):
    index = round(tumour.lesion.centre[2]) + ZERO_SLICE
    oedema, necrosis, grey = means(tumour, index, "MR-T2", "oedema", "necrosis", "grey")
    assert grey < oedema < necrosis


def test_spin_echo_is_the_signal_equation():
    signal = mri.spin_echo(mri.SEQUENCES["MR-T2"], (1.0, 1.0))[INDEX["csf"]]
    assert signal == pytest.approx((1 - np.exp(-3000 / 2569)) * np.exp(-95 / 329), rel=1e-5)


def test_contrast_agent_changes_only_what_takes_it_up():
    plain = mri.SEQUENCES["MR-Gad"]._replace(gadolinium=False)
    before, after = (mri.spin_echo(s, (1.0, 1.0)) for s in (plain, mri.SEQUENCES["MR-Gad"]))
    taken = np.array([tissue.gadolinium > 0.3 for tissue in TISSUES.values()])
    untouched = np.array([tissue.gadolinium == 0 for tissue in TISSUES.values()])
    assert (after[taken] > 1.2 * before[taken]).all()
    np.testing.assert_allclose(after[untouched], before[untouched], rtol=1e-5)


def test_fields_have_unit_variance_and_do_not_depend_on_the_grid():
    field = draw_field(np.random.default_rng(1), 6.0)
    values = np.stack([field.on(axial_plane(z, 200, 1)) for z in (-40.0, 0.0, 40.0)])
    assert abs(values.mean()) < 0.1
    assert values.std() == pytest.approx(1, abs=0.1)
    fine, coarse = (field.on(axial_plane(0.0, 200, step)) for step in (1, 2))
    mean = fine.reshape(100, 2, 100, 2).mean((1, 3))
    assert np.abs(mean - coarse).max() < 0.1


def test_colour_maps_start_black_and_go_through_their_stops():
    for stops in (colourmap.PET, colourmap.SPECT):
        positions = np.array([position for position, _ in stops])
        assert positions[0] == 0
        assert positions[-1] == 1
        assert (np.diff(positions) > 0).all()
        np.testing.assert_allclose(
            colourmap.colour(positions, stops), [rgb for _, rgb in stops], atol=1e-9
        )


@pytest.mark.shared
@pytest.mark.parametrize(
    ("folder", "stops"),
    [
        ("harvard-pairs/PET-MR/25-050/PET.png", colourmap.PET),
        ("harvard-pairs/SPECT-MR/3-025/SPECT.png", colourmap.SPECT),
        ("harvard-triples/images/case36-031/SPECT-Tc.png", colourmap.SPECT),
    ],
)
def test_the_colour_maps_are_those_of_the_atlas(shared, folder, stops):
    pixels = np.asarray(Image.open(shared / "data" / folder).convert("RGB"), float).reshape(-1, 3)
    table = colourmap.colour(np.linspace(0, 1, 2000), stops)
    distances = np.abs(np.unique(pixels, axis=0)[:, None] - table).max(-1).min(1)
    assert np.percentile(distances, 95) <= 3
