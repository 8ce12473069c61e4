from pathlib import Path

import pytest

from tfsdiff.evaluation.rows import (
    FULL_RESOLUTION,
    Lists,
    Row,
    all_rows,
    rows_at,
    table1_rows,
    table2_rows,
)

LISTS = Lists(
    joint=("tfsdiff",),
    fusers=("ddfm", "mean"),
    enlargers=("bicubic", "sr3"),
    ablations=("tfsdiff_no_psf",),
    ablation_scales=(4,),
    scales=(2, 4),
)


def names(rows) -> list[str]:
    return [row.name for row in rows]


@pytest.mark.parametrize(
    ("row", "name", "folder"),
    [
        (Row("tfsdiff", None, 4), "tfsdiff", "tfsdiff/x4"),
        (Row("ddfm", "sr3", 4), "ddfm-sr3", "ddfm/sr3-x4"),
        (Row("ddfm", None, FULL_RESOLUTION), "ddfm-full", "ddfm/full"),
    ],
)
def test_name_and_folder_say_what_a_row_is_made_of(row, name, folder) -> None:
    assert row.name == name
    assert row.folder == Path(folder)


def test_a_scale_has_joint_methods_cascades_and_its_ablations() -> None:
    cascades = ["ddfm-bicubic", "mean-bicubic", "ddfm-sr3", "mean-sr3"]
    assert names(rows_at(2, LISTS)) == ["tfsdiff", *cascades]
    assert names(rows_at(4, LISTS)) == ["tfsdiff", *cascades, "tfsdiff_no_psf"]
    assert names(rows_at(FULL_RESOLUTION, LISTS)) == ["ddfm-full", "mean-full"]


def test_no_two_rows_share_a_folder() -> None:
    folders = [row.folder for row in all_rows(LISTS)]
    assert len(set(folders)) == len(folders) == 2 + 5 + 6


def test_table_1_sets_controls_apart() -> None:
    ranked, controls = table1_rows(2, LISTS, ["bicubic", "mean"])
    assert names(ranked) == ["tfsdiff", "ddfm-sr3"]
    assert names(controls) == ["ddfm-full", "mean-full", "ddfm-bicubic", "mean-bicubic", "mean-sr3"]


def test_table_2_names_each_changed_method_once_before_its_ablations() -> None:
    rows = table2_rows(4, ["tfsdiff_no_psf", "tfsdiff_l1"], ["tfsdiff", "tfsdiff"])
    assert names(rows) == ["tfsdiff", "tfsdiff_no_psf", "tfsdiff_l1"]
    assert {row.scale for row in rows} == {4}
