from pathlib import Path

import pytest

from tfsdiff.common.errors import InputError
from tfsdiff.evaluation.training_curves import read_curve


def test_values_are_read_by_step(tmp_path: Path) -> None:
    table = tmp_path / "plots/metrics/validation/psnr.tsv"
    table.parent.mkdir(parents=True)
    table.write_text("step\tpsnr\n5\t0.5\n10\t0.25\n")
    assert read_curve(tmp_path, "validation/psnr").to_dict() == {5: 0.5, 10: 0.25}


def test_missing_table_names_the_cure(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no curve of train/loss in it .*; train again"):
        read_curve(tmp_path, "train/loss")
