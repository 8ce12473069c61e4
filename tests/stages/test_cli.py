"""From a stage function to its command line."""

from pathlib import Path

import pytest

from tfsdiff.common.errors import InputError
from tfsdiff.params import Section
from tfsdiff.stages.support import cli


class Params(Section):
    seed: int


def stage_under_test(params: Params, *, scale: int, fused_out: Path) -> None:
    if scale == 3:
        raise InputError("scale 3 cannot be had; use 2, 4 or 8")
    fused_out.write_text(f"{params.seed} {scale}")


@pytest.fixture
def params_file(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text("seed: 7\nother: {unknown: 1}\n")
    return path


def flags(params_file, scale, out):
    return ["--params", str(params_file), "--scale", str(scale), "--fused-out", str(out)]


def test_flags_are_the_arguments(params_file, tmp_path):
    out = tmp_path / "out"
    assert cli.execute(stage_under_test, flags(params_file, 4, out)) == 0
    assert out.read_text() == "7 4"


def test_user_error_is_one_line_and_code_1(params_file, tmp_path, capsys):
    out = tmp_path / "out"
    assert cli.execute(stage_under_test, flags(params_file, 3, out)) == 1
    assert capsys.readouterr().err == "error: scale 3 cannot be had; use 2, 4 or 8\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed: x\n", "seed: "),
        ("other: 1\n", "seed: Field required"),
        ("- 1\n", "must hold a mapping"),
        ("a: [\n", "no valid YAML"),
    ],
)
def test_bad_parameters_are_named(params_file, tmp_path, capsys, text, message):
    params_file.write_text(text)
    assert cli.execute(stage_under_test, flags(params_file, 2, tmp_path / "out")) == 1
    error = capsys.readouterr().err
    assert message in error
    assert str(params_file) in error
    assert error.count("\n") == 1


def test_missing_params_file_names_the_cure(tmp_path, capsys):
    missing = tmp_path / "nothing.yaml"
    assert cli.execute(stage_under_test, flags(missing, 2, tmp_path / "out")) == 1
    assert "tfsdiff.compose" in capsys.readouterr().err
