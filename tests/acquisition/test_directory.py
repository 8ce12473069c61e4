import csv

import numpy as np
import pytest
from PIL import Image

from tfsdiff.acquisition.directory import read_directory
from tfsdiff.common.errors import InputError
from tfsdiff.data import slices
from tfsdiff.params import DirectoryData

SIDE = 8
HEADER = [name for name in slices.COLUMNS if name not in slices.OPTIONAL_COLUMNS]


def settings(folder, pixels=SIDE):
    return DirectoryData(source="directory", input=str(folder), pixels=pixels)


def pictures(seed):
    random = np.random.default_rng(seed)
    shapes = ((SIDE, SIDE), (SIDE, SIDE), (SIDE, SIDE, 3))
    return tuple(random.integers(0, 256, shape, dtype=np.uint8) for shape in shapes)


class Folder:
    """A user's folder of groups g1, g2, ... that a test then spoils."""

    def __init__(self, path, count=3):
        self.path = path
        self.rows = []
        for number in range(1, count + 1):
            row = [f"g{number}", "CT_MR-T2_SPECT-Tc", "p1", str(number), "CT", "MR-T2", "SPECT-Tc"]
            self.rows.append(dict(zip(HEADER, row, strict=True)))
            for modality, image in zip(row[4:], pictures(number), strict=True):
                self.save(f"g{number}", modality, image)
        self.write()

    def image(self, group, modality):
        return self.path / "images" / group / f"{modality}.png"

    def save(self, group, modality, image):
        self.image(group, modality).parent.mkdir(parents=True, exist_ok=True)
        image = image if isinstance(image, Image.Image) else Image.fromarray(image)
        image.save(self.image(group, modality))

    def write(self, **columns):
        rows = [row | dict.fromkeys(columns, "") for row in self.rows]
        for name, values in columns.items():
            for row, value in zip(rows, values, strict=False):
                row[name] = value
        with (self.path / "manifest.csv").open("w", newline="") as stream:
            writer = csv.DictWriter(stream, [*HEADER, *columns])
            writer.writeheader()
            writer.writerows(rows)


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path / "mine")


def refusal(folder, pixels=SIDE):
    before = sorted(folder.path.parent.rglob("*"))
    with pytest.raises(InputError) as caught:
        read_directory(settings(folder.path, pixels))
    assert sorted(folder.path.parent.rglob("*")) == before
    return str(caught.value)


def test_a_good_folder_is_read_as_it_is(folder, tmp_path):
    items = read_directory(settings(folder.path))
    assert [group.group for group, _ in items] == ["g1", "g2", "g3"]
    for number, (_, images) in enumerate(items, start=1):
        assert all(map(np.array_equal, images, pictures(number)))
    slices.write_folder(tmp_path / "raw", items)
    assert len(read_directory(settings(tmp_path / "raw"))) == 3


def test_checksums_are_checked_where_given(folder):
    right = [slices.checksum(pictures(number)) for number in (1, 2, 3)]
    folder.write(sha256=[right[0], "", right[2].upper()])
    assert len(read_directory(settings(folder.path))) == 3
    folder.write(sha256=[right[0], right[0], ""])
    message = refusal(folder)
    assert "manifest.csv line 3: " in message
    assert "images/g2 do not have sha256" in message


def test_equal_channels_become_grey_and_a_grey_functional_image_three_channels(folder):
    grey, other, _ = pictures(1)
    folder.save("g1", "CT", np.stack([grey] * 3, axis=-1))
    folder.save("g1", "SPECT-Tc", other)
    images = read_directory(settings(folder.path))[0][1]
    assert np.array_equal(images[0], grey)
    assert np.array_equal(images[2], np.stack([other] * 3, axis=-1))


def test_missing_folder_and_manifest(tmp_path):
    with pytest.raises(InputError, match=r"none: no folder; set data\.input"):
        read_directory(settings(tmp_path / "none"))
    with pytest.raises(InputError, match=r"manifest.csv: cannot be read"):
        read_directory(settings(tmp_path))


def test_missing_file_names_file_and_line(folder):
    folder.image("g2", "MR-T2").unlink()
    path = folder.image("g2", "MR-T2")
    assert refusal(folder) == f"{folder.path}/manifest.csv line 3: {path}: does not exist"


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (Image.new("P", (SIDE, SIDE)), "mode P; save it as 8-bit"),
        (Image.new("I;16", (SIDE, SIDE)), "mode I;16; save it as 8-bit"),
        (Image.new("RGBA", (SIDE, SIDE)), "mode RGBA; save it as 8-bit"),
        (Image.new("1", (SIDE, SIDE)), "mode 1; save it as 8-bit"),
        (Image.new("RGB", (SIDE, SIDE), (1, 2, 3)), "is coloured, but CT must be grey"),
        (Image.new("L", (SIDE, SIDE - 1)), "differ in size: CT.png 8 x 7, MR-T2.png 8 x 8"),
    ],
)
def test_wrong_images_name_file_and_line(folder, image, message):
    folder.save("g3", "CT", image)
    text = refusal(folder)
    assert "manifest.csv line 4: " in text
    assert message in text
    assert "images/g3" in text
    assert "\n" not in text


def test_unreadable_file(folder):
    folder.image("g1", "SPECT-Tc").write_bytes(b"no image")
    assert "SPECT-Tc.png: no readable PNG image" in refusal(folder)


def test_size_other_than_the_parameter(folder):
    text = refusal(folder, pixels=16)
    assert text.startswith(f"{folder.path}: 3 problems\n")
    assert "images/g1 are 8 x 8, not 16 x 16 (data.pixels)" in text


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"group": "g1"}, "group 'g1' is also on line 2"),
        ({"group": "G1"}, "group 'G1' is also on line 2"),
        ({"group": "../g2"}, "group '../g2' leaves the folder"),
        ({"group": ".."}, "group '..' leaves the folder"),
        ({"group": "/tmp/g2"}, "group '/tmp/g2' leaves the folder"),
        ({"anatomical_1": "../../CT"}, "'../../CT' is unknown"),
        ({"functional": "SPECT"}, "functional 'SPECT' is unknown"),
        ({"anatomical_1": "SPECT-Tc"}, "anatomical_1 'SPECT-Tc' must be one of"),
        ({"patient": ""}, "patient is empty"),
        ({"slice": "two"}, "slice 'two' is no integer"),
        ({"combination": "CT_MR-T2"}, "combination is 'CT_MR-T2'"),
    ],
)
def test_wrong_rows(folder, values, message):
    folder.rows[1] |= values
    folder.write()
    text = refusal(folder)
    assert text.startswith(f"{folder.path}/manifest.csv line 3: ")
    assert message in text
    assert "\n" not in text


def test_links_out_of_the_folder_are_refused_and_links_inside_are_not(folder, tmp_path):
    outside = tmp_path / "CT.png"
    Image.fromarray(pictures(9)[0]).save(outside)
    link = folder.image("g2", "CT")
    link.unlink()
    link.symlink_to(outside)
    assert "is a link out of the folder; copy the file" in refusal(folder)
    link.unlink()
    link.symlink_to(folder.image("g1", "CT"))
    assert len(read_directory(settings(folder.path))) == 3


def test_a_linked_group_folder_is_refused(folder, tmp_path):
    (folder.path / "images" / "g2").rename(tmp_path / "g2")
    (folder.path / "images" / "g2").symlink_to(tmp_path / "g2")
    assert refusal(folder).count("is a link out of the folder") == 3


def test_missing_columns_and_empty_manifest(folder):
    manifest = folder.path / "manifest.csv"
    manifest.write_text(manifest.read_text().replace("patient,slice", "case,slice"))
    assert "no column patient; found: group" in refusal(folder)
    folder.rows = []
    folder.write()
    assert "has no row" in refusal(folder)


def test_all_problems_are_listed_up_to_twenty(tmp_path):
    folder = Folder(tmp_path / "mine", count=30)
    folder.rows[4]["slice"] = "x"
    folder.write()
    for number in range(7, 31):
        folder.image(f"g{number}", "CT").unlink()
    lines = refusal(folder).split("\n")
    assert lines[0] == f"{folder.path}: 25 problems"
    assert "line 6: slice 'x'" in lines[1]
    assert "line 8: " in lines[2]
    assert lines[-1] == "and 5 more"
    assert len(lines) == 22


@pytest.mark.shared
def test_the_real_triples_pass_and_keep_their_checksums(shared):
    source = shared / "data" / "harvard-triples"
    items = read_directory(settings(source, 256))
    assert len(items) == 72
    assert all(slices.checksum(images) == group.sha256 for group, images in items)
    with pytest.raises(InputError, match="72 problems"):
        read_directory(settings(source, 128))
