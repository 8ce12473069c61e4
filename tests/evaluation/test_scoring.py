"""Scores of many rows by worker processes: the same from any number, and clear where they fail."""

import os
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from tfsdiff.common.errors import InputError
from tfsdiff.data.images import read, to_unit
from tfsdiff.data.slices import Group, write_folder
from tfsdiff.evaluation import scoring
from tfsdiff.evaluation.rows import FULL_RESOLUTION, Row
from tfsdiff.evaluation.scoring import Images, score_rows
from tfsdiff.metrics import lpips
from tfsdiff.metrics.error import psnr

SIDE = 16
KINDS = "CT", "MR-T2", "PET-FDG"
GROUPS = [Group(f"g{i}", "_".join(KINDS), f"p{i}", 1, *KINDS) for i in range(3)]
ROWS = Row("tfsdiff", None, 2), Row("mean", None, FULL_RESOLUTION)


@pytest.fixture
def images(tmp_path, monkeypatch):
    """Sources and truth of three groups, fused by two rows."""
    random = np.random.default_rng(1)

    def made(*shape):
        return random.integers(0, 256, (SIDE, SIDE, *shape), np.uint8)

    write_folder(tmp_path / "hr", ((one, [made(), made(), made(3)]) for one in GROUPS))
    for folder in ("truth", *(f"fused/{row.folder}" for row in ROWS)):
        (tmp_path / folder).mkdir(parents=True)
        for group in GROUPS:
            Image.fromarray(made(3)).save(tmp_path / folder / f"{group.group}.png")
    monkeypatch.setattr(lpips, "load", lambda backbone: lpips.Unavailable("no weights"))
    scoring._network.cache_clear()
    yield Images(ROWS, tmp_path / "fused", tmp_path / "hr", tmp_path / "truth", "none")
    scoring._network.cache_clear()


def levels(path):
    return 255 * to_unit(read(path))


def test_each_row_has_a_table_of_all_groups(images):
    tables = score_rows(images, GROUPS, 1, "x2")
    assert list(tables) == ["tfsdiff", "mean-full"]
    values = tables["mean-full"].set_index(["group", "metric", "against"])["value"]
    fused, truth = images.fused / "mean/full/g1.png", images.truth / "g1.png"
    expected = psnr(levels(fused), levels(truth)).item()
    assert values["g1", "PSNR", "truth"] == pytest.approx(expected, rel=1e-6)
    assert set(tables["tfsdiff"].query("metric == 'LPIPS'")["reason"]) == {
        "needs images of at least 31 pixels, not 16"
    }


def test_any_number_of_workers_gives_the_same(images):
    one, two, many = (score_rows(images, GROUPS, workers, "x2") for workers in (1, 2, 99))
    for name, table in one.items():
        assert table.equals(two[name])
        assert table.equals(many[name])


@pytest.mark.parametrize("workers", [1, 2])
def test_an_image_of_another_size_is_named(workers, images):
    path = images.fused / "tfsdiff/x2/g2.png"
    Image.new("RGB", (SIDE, SIDE // 2)).save(path)
    with pytest.raises(InputError, match=r"tfsdiff/x2/g2\.png: not of the size of"):
        score_rows(images, GROUPS, workers, "x2")


def test_missing_images_are_counted(images):
    (images.fused / "mean/full/g0.png").unlink()
    (images.fused / "mean/full/g2.png").unlink()
    with pytest.raises(InputError, match=r"mean/full/g0\.png: does not exist \(2 of 6 fused"):
        score_rows(images, GROUPS, 2, "x2")


def test_a_killed_worker_ends_with_one_line(images, monkeypatch):
    monkeypatch.setattr(scoring, "score", lambda *given: os._exit(9))
    with pytest.raises(InputError, match="a process that scored images was killed"):
        score_rows(replace(images, rows=ROWS[:1]), GROUPS, 2, "x2")
