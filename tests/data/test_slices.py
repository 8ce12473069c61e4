import csv
import hashlib

import numpy as np
import pytest

from tfsdiff.common.errors import InputError
from tfsdiff.data import slices
from tfsdiff.data.images import read
from tfsdiff.data.slices import Group


def make(name="p1-003", **values):
    plain = {
        "group": name,
        "combination": "CT_MR-T2_SPECT-Tc",
        "patient": "p1",
        "slice": 3,
        "anatomical_1": "CT",
        "anatomical_2": "MR-T2",
        "functional": "SPECT-Tc",
    }
    return Group(**(plain | values))


def pictures(seed=0, side=8):
    random = np.random.default_rng(seed)
    shapes = ((side, side), (side, side), (side, side, 3))
    return tuple(random.integers(0, 256, shape, dtype=np.uint8) for shape in shapes)


def tree(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.*")}


def test_folder_round_trip(tmp_path):
    items = [(make("b"), pictures(1)), (make("a", slice=12, source="x, y"), pictures(2))]
    slices.write_folder(tmp_path / "raw", items)
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]
    found = slices.read_manifest(tmp_path / "raw")
    assert [group.group for group in found] == ["a", "b"]
    assert found[0].source == "x, y"
    assert found[0].slice == 12
    for group, images in zip(found, (pictures(2), pictures(1)), strict=True):
        joined = b"".join(image.tobytes() for image in images)
        assert group.sha256 == hashlib.sha256(joined).hexdigest()[:16]
        for modality, image in zip(group.modalities, images, strict=True):
            path = slices.image_path(tmp_path / "raw", group, modality)
            assert np.array_equal(read(path), image)


def test_manifest_has_the_stated_columns(tmp_path):
    slices.write_folder(tmp_path / "raw", [(make(), pictures())])
    text = (tmp_path / "raw" / "manifest.csv").read_bytes().decode()
    header, row, rest = text.split("\n")
    assert header == (
        "group,combination,patient,slice,anatomical_1,anatomical_2,functional,source,sha256"
    )
    assert row.startswith("p1-003,CT_MR-T2_SPECT-Tc,p1,003,CT,MR-T2,SPECT-Tc,,")
    assert rest == ""


def test_bytes_do_not_depend_on_the_order(tmp_path):
    items = [(make("b"), pictures(1)), (make("a"), pictures(2)), (make("c"), pictures(3))]
    slices.write_folder(tmp_path / "one", items)
    slices.write_folder(tmp_path / "two", iter(items[::-1]))
    assert tree(tmp_path / "one") == tree(tmp_path / "two")
    assert len(tree(tmp_path / "one")) == 10


def test_a_new_folder_replaces_the_old_one_and_a_failed_one_does_not(tmp_path):
    slices.write_folder(tmp_path / "raw", [(make("a"), pictures(1)), (make("b"), pictures(2))])
    slices.write_folder(tmp_path / "raw", [(make("c"), pictures(3))])
    before = tree(tmp_path / "raw")
    assert len(before) == 4

    def broken():
        yield make("d"), pictures(4)
        raise InputError("stop")

    with pytest.raises(InputError, match="stop"):
        slices.write_folder(tmp_path / "raw", broken())
    assert tree(tmp_path / "raw") == before
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ([], "no group to write"),
        ([(make(), pictures()), (make(), pictures())], "comes twice"),
        ([(make(), pictures()[::-1])], "two grey and one RGB"),
        ([(make(), (*pictures()[:2], pictures(0, 9)[2]))], "of one size"),
    ],
)
def test_wrong_items_are_refused(tmp_path, items, message):
    with pytest.raises(ValueError, match=message):
        slices.write_folder(tmp_path / "raw", items)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"group": ".."}, "leaves the folder"),
        ({"group": "../a"}, "leaves the folder"),
        ({"group": "/etc"}, "leaves the folder"),
        ({"group": "a\\b"}, "leaves the folder"),
        ({"group": ""}, "1 to 100 letters"),
        ({"group": ".a"}, "1 to 100 letters"),
        ({"group": "a b"}, "1 to 100 letters"),
        ({"group": "a" * 101}, "1 to 100 letters"),
        ({"patient": " "}, "patient is empty"),
        ({"anatomical_1": "MR"}, "anatomical_1 'MR' is unknown; known are CT, MR-PD"),
        ({"anatomical_1": "PET-FDG"}, "anatomical_1 'PET-FDG' must be one of CT, MR-PD"),
        ({"functional": "CT"}, "functional 'CT' must be one of PET-FDG"),
        ({"anatomical_2": "CT"}, "are both CT"),
        ({"combination": "MR-T2_CT_SPECT-Tc"}, "modalities say 'CT_MR-T2_SPECT-Tc'"),
    ],
)
def test_impossible_groups_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        make(**values)


def write_rows(folder, rows, header=slices.COLUMNS):
    folder.mkdir(exist_ok=True)
    with (folder / "manifest.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([header, *rows])


ROW = ["a", "CT_MR-T2_SPECT-Tc", "p", "026", "CT", "MR-T2", "SPECT-Tc", "", ""]


def test_optional_columns_spaces_byte_order_mark_and_column_order(tmp_path):
    write_rows(tmp_path, [[*ROW[:7][::-1], "x"]], [*slices.COLUMNS[:7][::-1], "remark"])
    text = (tmp_path / "manifest.csv").read_text().replace("026", " 026 ")
    (tmp_path / "manifest.csv").write_text("\ufeff" + text, encoding="utf-8")
    assert slices.read_manifest(tmp_path) == [make("a", patient="p", slice=26)]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "has no row"),
        ([ROW, ["b", *ROW[1:3], "3.5", *ROW[4:]]], "line 3: slice '3.5' is no integer"),
        ([[*ROW, "more"]], "line 2: more fields than the header"),
        ([ROW[:6]], "line 2: no field for functional, source, sha256"),
    ],
)
def test_wrong_rows_are_named_by_line(tmp_path, rows, message):
    write_rows(tmp_path, rows)
    with pytest.raises(InputError, match=message) as caught:
        slices.read_manifest(tmp_path)
    assert str(caught.value).startswith(str(tmp_path / "manifest.csv"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no column group, combination"),
        (b"group;patient\na;b\n", "no column group.*found: group;patient"),
        (",".join([*slices.COLUMNS, "group"]).encode() + b"\nx\n", "more than one column group"),
        (b"group,patient\n\xff\xfe,a\n", "no CSV file in UTF-8"),
    ],
)
def test_wrong_manifests_are_refused(tmp_path, content, message):
    (tmp_path / "manifest.csv").write_bytes(content)
    with pytest.raises(InputError, match=message):
        slices.read_manifest(tmp_path)


def test_missing_manifest(tmp_path):
    with pytest.raises(InputError, match=r"manifest.csv: cannot be read \(No such file"):
        slices.read_manifest(tmp_path / "none")


@pytest.mark.shared
def test_real_manifest_is_read(shared):
    found = slices.read_manifest(shared / "data" / "harvard-triples")
    assert len(found) == 72
    assert {group.patient for group in found} == {
        "case18", "case21", "case28", "case36", "petnormal",
    }  # fmt: skip
