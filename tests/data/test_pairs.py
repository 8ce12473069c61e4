"""Pairs beside the groups: what is read, refused, left out and written."""

from pathlib import Path

import numpy as np
import pytest

from tfsdiff.common.errors import InputError
from tfsdiff.data.images import write_png
from tfsdiff.data.pairs import (
    Pair,
    load_pairs,
    read_images,
    read_pairs,
    without_patients,
    write_pairs,
)


def item(name: str, case: str = "2", other: str = "PET", side: int = 8):
    grey = np.arange(side * side, dtype=np.uint8).reshape(side, side)
    second = grey if other == "CT" else np.stack([grey] * 3, axis=-1)
    return Pair(name, case, "007", other), (grey, second)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    items = [item("CT-MR/2-007", other="CT"), item("A/b", case="9")]
    write_pairs(tmp_path / "pairs", items)
    found = read_pairs(tmp_path / "pairs")
    assert found == [items[1][0], items[0][0]]
    loaded = load_pairs(tmp_path / "pairs")
    assert loaded.names == ("A/b", "CT-MR/2-007")
    assert loaded.images.shape == (2, 2, 3, 8, 8)
    np.testing.assert_allclose(loaded.images[1, 0, 0] * 255, items[0][1][0])


def test_no_pairs_are_none(tmp_path: Path) -> None:
    write_pairs(tmp_path / "pairs", [])
    assert load_pairs(tmp_path / "pairs") is None


@pytest.mark.parametrize(
    ("patients", "left"),
    [(["case28"], ["3", "case9"]), (["3", "case9"], ["28"]), (["8"], ["28", "3", "case9"])],
)
def test_patients_who_are_tested_on_are_left_out(patients: list[str], left: list[str]) -> None:
    pairs = [item(f"p{case}", case)[0] for case in ("28", "3", "case9")]
    assert [pair.case for pair in without_patients(pairs, patients)] == left


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("../x,1,1,CT", "line 2: pair '../x' is no folder below"),
        ("/x,1,1,CT", "no folder below"),
        (",1,1,CT", "no folder below"),
        ("x,1,1,MRA", "'MRA' is none of CT, PET, SPECT"),
    ],
)
def test_wrong_rows_are_named(row: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text(f"pair,case,slice,functional_or_ct\n{row}\n")
    with pytest.raises(InputError, match=message) as error:
        read_pairs(tmp_path)
    assert "\n" not in str(error.value)


def test_missing_files_and_columns_name_the_cure(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"set pairs\.input to a pair folder, or pairs=none"):
        read_pairs(tmp_path)
    (tmp_path / "manifest.csv").write_text("pair,case\n")
    with pytest.raises(InputError, match="no column slice, functional_or_ct"):
        read_pairs(tmp_path)


def test_images_must_be_square_and_of_one_size(tmp_path: Path) -> None:
    pair, (first, _) = item("a", other="CT")
    write_png(tmp_path / "a/MR.png", first)
    write_png(tmp_path / "a/CT.png", first[:, :4])
    with pytest.raises(InputError, match=r"not \(8, 8\) and \(8, 4\)"):
        read_images(tmp_path, pair)
    (tmp_path / "a/CT.png").unlink()
    with pytest.raises(InputError, match=r"CT\.png"):
        read_images(tmp_path, pair)
