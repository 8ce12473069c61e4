"""Training examples of real and computed groups, and the changes of a variant's training."""

from pathlib import Path

import numpy as np
import pytest
import torch

import tiny
from tfsdiff.common.errors import InputError
from tfsdiff.core.tensors import levels
from tfsdiff.data.images import write_png
from tfsdiff.data.resample import reduce
from tfsdiff.data.slices import Group, write_folder
from tfsdiff.data.split import Place, write_split
from tfsdiff.params import Variant
from tfsdiff.stages.support.examples import GROUPS, GUESS, ExampleFolders
from tfsdiff.stages.support.settings import section_of

SIDE, SCALE = 16, 2
MODALITIES = ("CT", "MR-T2", "SPECT-Tc")


def made(folder: Path, truth: Path | None, names: list[str], side: int = SIDE) -> list[Group]:
    """Groups of random images."""
    rng = np.random.default_rng(len(names))
    groups = [
        Group(name, "_".join(MODALITIES), "p", i, *MODALITIES) for i, name in enumerate(names)
    ]

    def image(*channels: int) -> np.ndarray:
        return rng.integers(0, 256, (side, side, *channels), dtype=np.uint8)

    write_folder(folder, ((group, [image(), image(), image(3)]) for group in groups))
    if truth is not None:
        truth.mkdir(parents=True)
        for name in names:
            write_png(truth / f"{name}.png", image(3))
    return groups


@pytest.fixture
def folders(tmp_path: Path) -> ExampleFolders:
    """Two groups to learn from, one to validate, and forty computed ones, all guided."""
    names, computed = ["a", "b", "v"], [f"computed-{i:05}" for i in range(40)]
    groups = made(tmp_path / "hr", tmp_path / "truth", names)
    made(tmp_path / "lr", None, names, SIDE // SCALE)
    made(tmp_path / "synthetic", tmp_path / "synthetic-truth", computed)
    made(tmp_path / "guided" / GROUPS, tmp_path / "guided" / GUESS, [*names, *computed])
    parts = dict(zip(names, ("train", "train", "validation"), strict=True))
    places = [
        Place(g.group, g.patient, g.combination, g.slice, parts[g.group], "patient") for g in groups
    ]
    write_split(tmp_path / "split.csv", places)
    return ExampleFolders(
        tmp_path / "split.csv", tmp_path / "lr", tmp_path / "hr", tmp_path / "truth",
        tmp_path / "synthetic", tmp_path / "synthetic-truth", tmp_path / "guided",
    )  # fmt: skip


@pytest.mark.parametrize(("share", "often", "seldom"), [(0.5, 20, 1), (0.3, 9, 1), (0.01, 1, 5)])
def test_real_groups_have_their_share_of_an_epoch(
    share: float, often: int, seldom: int, folders: ExampleFolders
) -> None:
    found = folders.load("train", SCALE, share)
    assert found.high.groups == ("a", "b")
    assert found.repeats == (often, often)
    parts = list(found.computed)
    assert [len(part.high) for part in parts] == [16, 16, 8]
    assert {count for part in parts for count in part.repeats} == {seldom}
    assert len(list(found.computed)) == 3  # can be gone through again


def test_computed_groups_are_reduced_as_others_are(folders: ExampleFolders) -> None:
    part = list(folders.load("train", SCALE, 0.5).computed)[1]
    assert part.high.groups[0] == part.guided.groups[0] == "computed-00016"
    wanted = levels(reduce(part.high.sources[3], SCALE)) / 255
    torch.testing.assert_close(part.low.sources[3], wanted.float())
    assert part.guided.sources.shape == part.high.sources.shape
    assert part.guided.truth.shape == part.high.truth.shape


def test_neither_validation_nor_a_share_of_one_has_computed_groups(
    folders: ExampleFolders,
) -> None:
    for part, share in (("validation", 0.5), ("train", 1.0)):
        found = folders.load(part, SCALE, share)
        assert not list(found.computed)
        assert found.repeats == ()
        assert found.guided.groups == found.high.groups


def test_variants_change_sections_of_their_training() -> None:
    changes = {"prediction": "v", "train.optimiser": "muon", "unet.width": 16}
    variants = {"some": Variant(method="tfsdiff", label="some", changes=changes)}
    assert section_of("some", "train", tiny.TRAIN, variants).optimiser == "muon"
    assert section_of("some", "unet", tiny.UNET, variants).width == 16
    assert section_of("some", "diffusion", tiny.DIFFUSION, variants) == tiny.DIFFUSION
    assert section_of("tfsdiff", "train", tiny.TRAIN, variants) == tiny.TRAIN
    wrong = {"some": Variant(method="tfsdiff", label="some", changes={"train.step": 3})}
    with pytest.raises(InputError, match=r"variants\.some\.changes: train: step"):
        section_of("some", "train", tiny.TRAIN, wrong)
