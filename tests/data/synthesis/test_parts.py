"""Heads, contrasts, lesions, maps, and the colour maps that they read."""

import numpy as np
import pytest

from drawn import head
from tfsdiff.data import colourmap
from tfsdiff.data.synthesis import contrast, geometry, heads, lesions
from tfsdiff.params import Warp

WARP = Warp(degrees=15, zoom=0.12, shear=0.06, shift=0.025, elastic=0.006)
STILL = Warp(degrees=0, zoom=0, shear=0, shift=0, elastic=0)


@pytest.fixture
def mr():
    return head(3)["MR-T2"]


@pytest.fixture
def rng():
    return np.random.default_rng(5)


@pytest.mark.parametrize("stops", [colourmap.PET, colourmap.SPECT])
def test_uncolour_is_the_inverse_of_colour(stops):
    values = np.linspace(0, 1, 400).reshape(20, 20)
    found, distance = colourmap.uncolour(colourmap.colour(values, stops), stops)
    np.testing.assert_allclose(found, values, atol=1e-9)
    assert distance < 1e-9
    other = colourmap.PET if stops is colourmap.SPECT else colourmap.SPECT
    assert colourmap.uncolour(colourmap.colour(values, stops), other)[1] > 30


def test_the_head_is_found_whole(mr):
    found = heads.find(mr)
    assert found.mask[mr > 0.3].mean() > 0.99
    assert found.mask[32, 32]
    assert not found.mask[0].any()
    assert heads.find(np.zeros((64, 64))) is None


def test_a_head_fits_on_another(mr):
    moved = np.roll(mr, (4, -3), (0, 1))
    one, other = heads.find(mr), heads.find(moved)
    np.testing.assert_allclose(heads.fitted(moved, other, one), mr, atol=1e-6)
    likeness = heads.similarity(heads.portrait(mr), heads.portrait(moved))
    assert likeness == pytest.approx(2, abs=1e-6)
    stretched = np.repeat(mr, 2, 0)[32:-32]
    assert heads.similarity(heads.portrait(mr), heads.portrait(stretched)) < 1.6


def test_cut_uptake_is_recognised():
    rows, columns = np.indices((256, 256)) - 128
    disc = (np.hypot(rows, columns) < 80).astype(float)
    assert heads.cut_share(disc) < 0.3
    disc[: 128 - 50] = 0
    assert heads.cut_share(disc) > 0.6
    assert heads.cut_share(np.zeros((64, 64))) == 0


def test_gain_and_gamma_keep_functional_colours_on_their_map(mr, rng):
    image = contrast.coloured(head(1)["uptake"], colourmap.SPECT)
    changed = contrast.toned(image, 0.8, 1.2)
    assert colourmap.uncolour(changed * 255, colourmap.SPECT)[1] < 1e-6
    np.testing.assert_allclose(contrast.toned(mr, 0.8, 1.0), 0.8 * mr)
    white = np.ones((8, 8, 3)) * [0.0, 1.0, 0.0]  # on no map
    np.testing.assert_allclose(contrast.toned(white, 0.5, 1.0), 0.5 * white)


def test_another_contrast_stays_in_the_head(mr):
    for seed in range(10):
        image = contrast.remapped(mr, np.random.default_rng(seed), 0.15, 0.02)
        assert image[mr == 0].max() < 0.05
        assert 0.4 < image.max() <= 1


@pytest.mark.parametrize(("name", "curve"), [("MR-T2", "TO_T1"), ("MR-T1", "TO_T2")])
def test_weighting_exchanges_fluid_and_tissue(name, curve):
    drawn = head(2)
    image = contrast.weighted(drawn[name], heads.find(drawn[name]), getattr(contrast, curve))
    fluid, tissue = image[32, 32], np.median(image[20:24, 24:40])
    assert (fluid < tissue) == (name == "MR-T2")


def test_lesions_take_up_agent_and_thallium(mr, rng):
    found_head = heads.find(mr)
    found = lesions.lesions(found_head, 1, rng)
    t1 = contrast.weighted(mr, found_head, contrast.TO_T1)
    gad = lesions.enhanced(t1, mr, found_head, found, rng)
    ring = np.abs(found[0].distance - 0.85) < 0.15
    assert gad[ring].mean() > t1[ring].mean()
    uptake = lesions.thallium(found_head, found, rng)
    values, distance = colourmap.uncolour(uptake * 255, colourmap.SPECT)
    assert distance < 1
    far = (found[0].distance > 4) & (heads.depth(found_head) > lesions.DEEP)
    assert values[found[0].distance < 0.5].mean() > 2 * values[far].mean()
    swollen = lesions.swollen(mr, found, rng)
    assert (swollen >= mr - 1e-12).all()


def test_turns_are_all_eight(mr):
    turns = {
        geometry.turned([mr], quarters, mirror)[0].tobytes()
        for quarters in range(4)
        for mirror in (False, True)
    }
    assert len(turns) == 8


def test_warps_move_all_images_alike_and_cut_nothing(mr, rng):
    colour = contrast.coloured(head(3)["uptake"], colourmap.PET)
    moved, same, coloured = geometry.warped([mr, mr, colour], WARP, rng)
    np.testing.assert_array_equal(moved, same)
    assert np.abs(moved - mr).max() > 0.1
    assert colourmap.uncolour(coloured * 255, colourmap.PET)[1] < 1e-6
    assert max(moved[0].max(), moved[-1].max(), moved[:, 0].max(), moved[:, -1].max()) < 0.05


def test_a_map_of_nothing_leaves_images_as_they_are(mr, rng):
    colour = contrast.coloured(head(3)["uptake"], colourmap.PET)
    for before, after in zip([mr, colour], geometry.warped([mr, colour], STILL, rng), strict=True):
        np.testing.assert_allclose(after, before, atol=1e-6)
