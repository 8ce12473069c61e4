import numpy as np
import pytest
import torch

from tfsdiff.common.errors import InputError
from tfsdiff.data.dataset import groups_of, load_batch, load_computed, select
from tfsdiff.data.images import write_png
from tfsdiff.data.slices import Group, read_manifest, write_folder
from tfsdiff.data.split import Place, write_split

SHAPES = ((6, 8), (6, 8), (6, 8, 3))


def make(name):
    return Group(name, "CT_MR-T2_PET-FDG", "p", 1, "CT", "MR-T2", "PET-FDG")


def pictures(seed):
    random = np.random.default_rng(seed)
    return tuple(random.integers(0, 256, shape, dtype=np.uint8) for shape in SHAPES)


@pytest.fixture
def folder(tmp_path):
    write_folder(tmp_path / "hr", [(make(name), pictures(i)) for i, name in enumerate("abcd")])
    return tmp_path / "hr"


@pytest.fixture
def truth(tmp_path):
    for index, name in enumerate("abcd"):
        write_png(tmp_path / "truth" / f"{name}.png", pictures(10 + index)[2])
    return tmp_path / "truth"


@pytest.fixture
def split_csv(tmp_path):
    parts = {"d": "test", "a": "train", "c": "train", "b": "validation"}
    places = [Place(name, "p", "c", 1, part, "random") for name, part in parts.items()]
    write_split(tmp_path / "split.csv", places)
    return tmp_path / "split.csv"


def test_batch_holds_the_images_in_the_order_asked_for(folder, truth):
    groups = read_manifest(folder)
    batch = load_batch(folder, [groups[2], groups[0]], truth)
    assert batch.groups == ("c", "a")
    assert batch.sources.shape == (2, 3, 3, 6, 8)
    assert batch.sources.dtype == batch.truth.dtype == torch.float32
    for index, seed in enumerate((2, 0)):
        grey_1, grey_2, colour = (torch.from_numpy(x / np.float32(255)) for x in pictures(seed))
        assert torch.equal(batch.sources[index, 0], grey_1.expand(3, -1, -1))
        assert torch.equal(batch.sources[index, 1], grey_2.expand(3, -1, -1))
        assert torch.equal(batch.sources[index, 2], colour.movedim(-1, 0))
        fused = torch.from_numpy(pictures(10 + seed)[2] / np.float32(255)).movedim(-1, 0)
        assert torch.equal(batch.truth[index], fused)


def test_truth_is_optional(folder):
    assert load_batch(folder, read_manifest(folder)).truth is None


def test_parts_come_from_the_split(folder, split_csv):
    assert groups_of(split_csv, "train") == ("a", "c")
    assert [group.group for group in select(folder, split_csv, "train")] == ["a", "c"]
    assert groups_of(split_csv, "test") == ("d",)
    with pytest.raises(InputError, match=r"split.csv: no group in part unused"):
        groups_of(split_csv, "unused")


def test_what_is_missing_is_named_with_its_cure(folder, truth, split_csv, tmp_path):
    groups = read_manifest(folder)
    with pytest.raises(InputError, match="none: does not exist; `dvc repro` runs the stage"):
        select(tmp_path / "none", split_csv, "train")
    (truth / "a.png").unlink()
    with pytest.raises(
        InputError, match=r"truth/a.png: does not exist; `dvc repro` runs .*/truth$"
    ):
        load_batch(folder, groups, truth)
    (folder / "images" / "b" / "CT.png").unlink()
    with pytest.raises(
        InputError, match=r"images/b/CT.png: does not exist; `dvc repro` runs .*/hr$"
    ):
        load_batch(folder, groups)
    write_folder(tmp_path / "hr", [(make("a"), pictures(0))])
    with pytest.raises(InputError, match="hr: no group d; `dvc repro`"):
        select(folder, split_csv, "test")


def test_sizes_must_agree(folder, truth):
    groups = read_manifest(folder)
    write_png(truth / "b.png", np.zeros((6, 7, 3), np.uint8))
    with pytest.raises(InputError, match=r"truth/b.png and .* differ in size: 7 x 6 and 8 x 6"):
        load_batch(folder, groups, truth)
    write_png(folder / "images" / "b" / "CT.png", np.zeros((5, 8), np.uint8))
    with pytest.raises(InputError, match="differ in size: 8 x 5 and 8 x 6"):
        load_batch(folder, groups)


def test_no_groups_is_a_mistake_of_the_caller(folder):
    with pytest.raises(ValueError, match="no groups"):
        load_batch(folder, [])


def test_computed_groups_are_those_of_a_batch(folder, truth):
    found = load_computed(folder, truth)
    whole = load_batch(folder, read_manifest(folder), truth)
    taken = found.take([2, 0])
    assert found.sources.dtype == found.truth.dtype == torch.uint8
    assert taken.groups == ("c", "a")
    assert taken.modalities == (whole.modalities[2], whole.modalities[0])
    torch.testing.assert_close(taken.sources, whole.sources[[2, 0]], rtol=0, atol=0)
    torch.testing.assert_close(taken.truth, whole.truth[[2, 0]], rtol=0, atol=0)
    assert load_computed(folder, truth, most=3).groups == ("a", "b", "c")


def test_computed_groups_may_be_none_but_not_half(folder, truth, tmp_path):
    write_folder(tmp_path / "none", [], allow_empty=True)
    assert load_computed(tmp_path / "none", tmp_path / "none") is None
    write_png(truth / "b.png", pictures(1)[2][:3])
    with pytest.raises(InputError, match=r"b\.png: differs in size.*: 8 x 3 and 8 x 6"):
        load_computed(folder, truth)
    (truth / "b.png").unlink()
    with pytest.raises(InputError, match=r"b\.png: does not exist; `dvc repro`"):
        load_computed(folder, truth)
