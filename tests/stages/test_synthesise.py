"""The stage synthesise: the same groups however it is run, and nothing of who is held out."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from drawn import write_drawn_pairs, write_groups
from tfsdiff.common.errors import InputError
from tfsdiff.compose import compose
from tfsdiff.data.dataset import load_computed
from tfsdiff.data.images import read
from tfsdiff.data.slices import read_manifest
from tfsdiff.data.split import Place, read_split, write_split
from tfsdiff.data.synthesis import origins
from tfsdiff.stages import leakage, synthesise, truth

CONF = Path(__file__).resolve().parents[2] / "workflow/conf"
VALUES = compose(["profile=ci", "synthetic.count=6"], CONF)
PATIENTS = {
    "case1": "CT_MR-T2_SPECT-Tc", "case2": "MR-T1_MR-T2_PET-FDG",
    "case18": "CT_MR-T2_SPECT-Tc", "case28": "CT_MR-T2_SPECT-Tc",
}  # fmt: skip
PARTS = {"case18": "validation", "case28": "test"}


def params_of(module, **changes):
    values = VALUES | changes
    return module.Params(**{key: values[key] for key in module.Params.model_fields})


def run(at, out, **synthetic):
    """Run the stage in this process, which need not wait for others to start."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(synthesise, "compute_each", lambda task, items, *_: map(task, items))
        run_by_workers(at, out, **synthetic)


def run_by_workers(at, out, **synthetic):
    synthesise.synthesise(
        params_of(synthesise, synthetic=VALUES["synthetic"] | synthetic),
        sources=at / "hr", pairs=at / "pairs", split=at / "split.csv",
        checkpoints=out / "checkpoints", out=out / "synthetic", truth=out / "synthetic-truth",
    )  # fmt: skip


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """Groups of four patients, two of whom are held out, and pairs: two are theirs."""
    at = tmp_path_factory.mktemp("inputs")
    groups = write_groups(at / "hr", PATIENTS)
    places = [
        Place(g.group, g.patient, g.combination, g.slice, PARTS.get(g.patient, "train"), "patient")
        for g in groups
    ]
    write_split(at / "split.csv", places)
    write_drawn_pairs(at / "pairs", {"28": "SPECT", "case18": "CT", "3": "CT", "4": "SPECT"})
    return at


@pytest.fixture(scope="module")
def made(inputs, tmp_path_factory):
    at = tmp_path_factory.mktemp("made")
    run(inputs, at)
    return at


def files(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_an_image_folder_and_its_truth_are_written(made):
    groups = read_manifest(made / "synthetic")
    names = [f"computed-{index:05d}" for index in range(6)]
    assert [group.group for group in groups] == names
    assert sorted(path.stem for path in (made / "synthetic-truth").glob("*.png")) == names
    assert not (made / "checkpoints").exists()
    found = load_computed(made / "synthetic", made / "synthetic-truth")
    assert len(found) == 6
    assert found.take([0]).truth.shape == (1, 3, 64, 64)


def test_the_truth_is_that_of_the_stage_truth(made, tmp_path):
    truth.truth(params_of(truth), sources=made / "synthetic", out=tmp_path / "truth")
    for path in (tmp_path / "truth").iterdir():
        assert (read(path) == read(made / "synthetic-truth" / path.name)).all()


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_groups_depend_neither_on_their_number_nor_on_that_of_workers(
    inputs, made, tmp_path, monkeypatch, workers
):
    monkeypatch.setattr(synthesise, "usable_cpus", lambda: workers)
    (run_by_workers if workers else run)(inputs, tmp_path, count=3)
    for name in ("synthetic", "synthetic-truth"):
        few, many = files(tmp_path / name), files(made / name)
        few.pop("manifest.csv")
        assert few == {path: many[path] for path in few}
    assert len(read_manifest(tmp_path / "synthetic")) == 3


def test_nothing_of_a_held_out_patient_goes_in(inputs, made, tmp_path):
    """What is held out can be anything: the groups stay the same."""
    used = {
        name.removeprefix("case")
        for group in read_manifest(made / "synthetic")
        for name in group.patient.split("+")
    }
    assert used <= {"1", "2", "3", "4"}
    other = tmp_path / "inputs"
    shutil.copytree(inputs, other)
    held_out = [*(other / "hr/images").glob("case[12]8-*"), *(other / "pairs").glob("*/*[12]8-*")]
    assert len(held_out) == 6
    for folder in held_out:
        for path in folder.iterdir():
            path.write_bytes(b"")
    run(other, tmp_path)
    assert files(tmp_path / "synthetic") == files(made / "synthetic")


def test_none_are_an_empty_manifest(inputs, tmp_path):
    run(inputs, tmp_path, count=0)
    for name in ("synthetic", "synthetic-truth"):
        assert list(files(tmp_path / name)) == ["manifest.csv"]
    assert read_manifest(tmp_path / "synthetic", allow_empty=True) == []
    assert load_computed(tmp_path / "synthetic", tmp_path / "synthetic-truth") is None


def test_what_is_ready_is_not_made_again(inputs, made, tmp_path, monkeypatch):
    """A run that failed at its last step leaves its groups; a change of anything else none."""
    monkeypatch.setattr(synthesise, "_read", lambda _: 1 / 0)
    for gain in (0.25, 0.2):
        with pytest.raises(ZeroDivisionError):
            run(inputs, tmp_path, gain=gain)
    monkeypatch.undo()
    first, second = (tmp_path / "checkpoints").iterdir()
    assert len(list(first.iterdir())) == len(list(second.iterdir())) == 6
    monkeypatch.setattr(synthesise.Recipes, "make", lambda *_: 1 / 0)
    run(inputs, tmp_path)
    assert files(tmp_path / "synthetic") == files(made / "synthetic")
    assert files(tmp_path / "synthetic-truth") == files(made / "synthetic-truth")


def test_an_unreadable_image_is_one_line_and_nothing_is_written(inputs, tmp_path):
    other = tmp_path / "inputs"
    shutil.copytree(inputs, other)
    for path in other.glob("hr/images/case1-*/*.png"):
        path.write_bytes(b"broken")
    with pytest.raises(InputError, match=r"case1-.*\.png"):
        run(other, tmp_path)
    assert not (tmp_path / "synthetic").exists()
    assert not (tmp_path / "synthetic-truth").exists()


@pytest.mark.slow
def test_a_killed_stage_goes_on(inputs, made, tmp_path):
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(VALUES))
    command = [
        sys.executable, "-m", "tfsdiff.stages.synthesise", "--sources", inputs / "hr", "--pairs",
        inputs / "pairs", "--split", inputs / "split.csv", "--checkpoints", tmp_path / "ready",
        "--out", tmp_path / "synthetic", "--truth", tmp_path / "synthetic-truth",
    ]  # fmt: skip
    for number, code in ((signal.SIGTERM, 143), (signal.SIGKILL, -9)):
        process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
        while not list((tmp_path / "ready").glob("*/computed-*")):
            time.sleep(0.05)
        os.kill(process.pid, number)
        error = process.communicate()[1]
        assert process.returncode == code
        assert "Traceback" not in error
        assert not (tmp_path / "synthetic").exists()
    subprocess.run(command, cwd=tmp_path, check=True)
    assert files(tmp_path / "synthetic") == files(made / "synthetic")
    assert files(tmp_path / "synthetic-truth") == files(made / "synthetic-truth")


@pytest.mark.slow
def test_the_leakage_report_says_what_they_are_made_of(inputs, made, tmp_path):
    def report(synthetic, split=inputs / "split.csv"):
        leakage.leakage(
            params_of(leakage), raw=inputs / "hr", random=split, patient=split,
            synthetic=synthetic, split=split, out=tmp_path / "leakage",
        )  # fmt: skip
        return (tmp_path / "leakage.md").read_text()

    assert "Checked: the 6 computed groups are made of training groups" in report(
        made / "synthetic"
    )
    run(inputs, tmp_path, count=0)
    assert "There are no computed groups." in report(tmp_path / "synthetic")
    swapped = tmp_path / "swapped.csv"
    text = (inputs / "split.csv").read_text().replace(",train,", ",unused,")
    swapped.write_text(text.replace(",test,", ",train,"))
    with pytest.raises(InputError, match="who is validated or tested on"):
        report(made / "synthetic", swapped)


def test_origins_agree_with_the_split(inputs, made):
    groups, places = read_manifest(made / "synthetic"), read_split(inputs / "split.csv")
    assert set(origins.check(groups, places)) <= {"1", "2", "3", "4"}
