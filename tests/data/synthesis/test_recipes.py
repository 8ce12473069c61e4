"""Computed groups: each is of its number alone, of what it may be made of, and of its kind."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from drawn import write_drawn_pairs, write_groups
from tfsdiff.common.errors import InputError
from tfsdiff.data.images import write_png
from tfsdiff.data.slices import ANATOMICAL, image_path
from tfsdiff.data.synthesis.recipes import Recipes
from tfsdiff.data.synthesis.studies import of_groups, of_pairs
from tfsdiff.params import Kinds, Synthetic

ROOT = Path(__file__).resolve().parents[3]
SETTINGS = Synthetic(**yaml.safe_load((ROOT / "params.yaml").read_text())["synthetic"])
PLAIN = {"toned": 0, "swapped": 0, "turned": 0, "resampled": 0, "published": 0}


@pytest.fixture(scope="module")
def studies(tmp_path_factory):
    at = tmp_path_factory.mktemp("studies")
    groups = write_groups(at / "hr", {"case1": "CT_MR-T2_SPECT-Tc", "case2": "MR-T1_MR-T2_PET-FDG"})
    pairs = write_drawn_pairs(at / "pairs", {"3": "CT", "4": "PET", "5": "SPECT"})
    return of_groups(at / "hr", groups) + of_pairs(at / "pairs", pairs)


def recipes(studies, kind=None, seed=0, **changes):
    if kind:
        changes["kinds"] = Kinds(**{"borrow": 0, "remap": 0, "real": 0, kind: 1})
    return Recipes(studies, SETTINGS.model_copy(update=changes), seed)


def pictures(study):
    return [study.read(name) for name, _ in study.images]


@pytest.mark.parametrize("kind", ["borrow", "remap", "agent", "real"])
def test_groups_are_of_their_kind(studies, kind):
    agent = {"published": int(kind == "agent")}
    make = recipes(studies, "remap" if kind == "agent" else kind, **agent).make
    for index in range(12):
        group, images = make(index)
        assert group.group == f"computed-{index:05d}"
        assert group.source.startswith(f"{kind} of ")
        assert [image.shape for image in images] == [(64, 64), (64, 64), (64, 64, 3)]
        assert all(image.dtype == np.uint8 and image.max() > 50 for image in images)
        assert len(group.patient.split("+")) == (2 if kind == "borrow" else 1)


def test_a_group_depends_on_seed_and_number_alone(studies):
    first = recipes(studies)
    later = [first.make(index) for index in range(5)]
    for made, again in ((later[3], recipes(studies[::-1]).make(3)), (later[0], first.make(0))):
        assert made[0] == again[0]
        assert all((x == y).all() for x, y in zip(made[1], again[1], strict=True))
    assert recipes(studies, seed=1).make(3)[0].source != later[3][0].source or any(
        (x != y).any()
        for x, y in zip(recipes(studies, seed=1).make(3)[1], later[3][1], strict=True)
    )


def test_without_changes_a_real_group_is_itself(studies):
    known = {study.origin: study for study in studies}
    group, images = recipes(studies, "real", **PLAIN).make(0)
    study = known[group.source.removeprefix("real of ")]
    for image, original in zip(images, pictures(study), strict=True):
        np.testing.assert_array_equal(image, np.rint(255 * original))


def test_turned_groups_are_exact(studies):
    known = {study.origin: study for study in studies}
    make = recipes(studies, "real", **(PLAIN | {"turned": 1})).make
    for index in range(6):
        group, images = make(index)
        study = known[group.source.removeprefix("real of ")]
        for image, original in zip(images, pictures(study), strict=True):
            turns = [np.rot90(x, k) for x in (original, original[:, ::-1]) for k in range(4)]
            assert any((image == np.rint(255 * turn)).all() for turn in turns)


def test_swapped_groups_say_so(studies):
    make, plain = (recipes(studies, "real", **(PLAIN | {"swapped": s})).make for s in (1, 0))
    (group, images), (other, originals) = make(0), plain(0)
    assert group.modalities == (other.anatomical_2, other.anatomical_1, other.functional)
    assert (images[0] == originals[1]).all()
    assert (images[1] == originals[0]).all()


def test_a_borrowed_image_is_of_another_patient_and_lies_in_the_head(studies):
    for index in range(8):
        group, images = recipes(studies, "borrow", **PLAIN).make(index)
        host, donor = group.patient.split("+")
        assert host.removeprefix("case") != donor.removeprefix("case")
        outside = (images[0] < 10) & (images[1] < 10)
        assert images[2].max(-1)[outside].mean() < 0.1 * images[2].max(-1)[~outside].mean()


def test_a_patient_borrows_nothing_of_a_pair_of_the_same_number(tmp_path):
    groups = write_groups(tmp_path / "hr", {"case4": "CT_MR-T2_SPECT-Tc"})
    pairs = write_drawn_pairs(tmp_path / "pairs", {"4": "SPECT"})
    known = of_groups(tmp_path / "hr", groups) + of_pairs(tmp_path / "pairs", pairs)
    with pytest.raises(InputError, match=r"synthetic\.kinds: nothing can be made of"):
        recipes(known, "borrow")


def test_published_combinations_are_made(studies):
    make = recipes(studies, "remap", **(PLAIN | {"published": 1})).make
    made = {make(index)[0].combination for index in range(12)}
    assert made == {"MR-Gad_MR-T2_PET-FDG", "MR-Gad_MR-T2_SPECT-Tl"}


@pytest.mark.parametrize("kind", ["borrow", "remap"])
def test_anatomical_images_are_in_the_order_of_the_sources(studies, kind):
    make = recipes(studies, kind, **(PLAIN | {"published": 0.5})).make
    for index in range(10):
        first, second, _ = make(index)[0].modalities
        assert ANATOMICAL.index(first) < ANATOMICAL.index(second)


def test_kinds_that_cannot_be_made_are_left_out(studies):
    alone = [study for study in studies if study.patient == "case1"]
    made = {recipes(alone).make(index)[0].source.split()[0] for index in range(12)}
    assert made == {"remap", "agent", "real"}
    pairs = [study for study in studies if study.origin == "pair CT-MR/3-001"]
    with pytest.raises(InputError, match="give pairs, or raise another share"):
        recipes(pairs)


def test_images_without_a_head_end_in_one_line(tmp_path):
    groups = write_groups(tmp_path / "hr", {"a": "CT_MR-T2_SPECT-Tc", "b": "CT_MR-T2_SPECT-Tc"})
    for group in groups:
        write_png(image_path(tmp_path / "hr", group, "MR-T2"), np.zeros((64, 64), np.uint8))
    with pytest.raises(InputError, match="computed-00000: 200 attempts gave no group"):
        recipes(of_groups(tmp_path / "hr", groups), "borrow").make(0)


def test_a_plus_in_a_name_is_refused(tmp_path):
    groups = write_groups(tmp_path / "hr", {"a": "CT_MR-T2_SPECT-Tc"})
    with pytest.raises(InputError, match=r"patient 'a\+b' has a '\+'"):
        of_groups(tmp_path / "hr", [replace(groups[0], patient="a+b")])
