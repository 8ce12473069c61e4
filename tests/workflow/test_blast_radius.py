"""An edit runs again what it can change, and nothing else: upper bounds over the list of jobs."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "workflow"))

import blast_radius

FUSERS = {"cddfuse": 1, "tgfuse": 1, "ddfm": 1, "ctsr": 1, "bitonicx": 0, "copy": 0, "mean": 0}


@pytest.fixture(scope="module")
def jobs(root):
    return blast_radius.Jobs(root)


@pytest.fixture(scope="module")
def trainings(jobs):
    return {job.name for job in jobs.all if job.stage.startswith("train")}


def blast(jobs, file):
    path = f"{blast_radius.PACKAGE}/{file}"
    assert (blast_radius.ROOT / path).is_file()
    return jobs.blast(path)


@pytest.mark.parametrize(
    "file",
    [
        "metrics/vif.py", "metrics/registry.py", "metrics/gradient.py", "metrics/lpips.py",
        "report/labels.py", "evaluation/rows.py", "evaluation/calibration.py",
        "evaluation/ensemble.py", "cli/fuse.py", "common/signals.py", "common/errors.py",
        "methods/__init__.py", "stages/evaluate.py", "stages/table.py", "stages/support/cli.py",
        "methods/mean/method.py", "methods/copy/method.py", "methods/bicubic/method.py",
    ],
)  # fmt: skip
def test_no_training_for_what_trains_nothing(jobs, file):
    assert not blast(jobs, file).trainings


@pytest.mark.parametrize("file", ["vif", "error", "gradient", "ssim", "lpips", "registry"])
def test_every_score_for_a_metric(jobs, file):
    scored = {job.name for job in jobs.all if job.stage == "evaluate"}
    assert scored <= blast(jobs, f"metrics/{file}.py").inputs


@pytest.mark.parametrize("file", ["report/labels.py", "cli/fuse.py", "common/signals.py"])
def test_no_image_for_what_makes_none(jobs, file):
    made = {"acquire", "truth", "enlarge", "enlarge_learned", "fuse", "fuse_learned", "sample"}
    assert not {name.partition("@")[0] for name in blast(jobs, file).downstream} & made


@pytest.mark.parametrize("file", ["cli/fuse.py", "cli/score.py", "common/signals.py", "params.py"])
def test_nothing_at_all(jobs, file):
    assert not blast(jobs, file).downstream


@pytest.mark.parametrize("fuser", FUSERS)
def test_a_fuser_is_trained_and_run_for_its_own_files_alone(jobs, fuser, root):
    """BitonicX is the ground truth, too: what it makes of that is another matter."""
    files = (root / "src/tfsdiff/methods" / fuser).rglob("*.py")
    for path in (file for file in files if file.name != "__init__.py"):  # these hold nothing
        found = blast(jobs, path.relative_to(root / "src/tfsdiff").as_posix())
        direct = {name for name in found.inputs if name.startswith(("train", "fuse"))}
        direct = {
            name for name in direct if "tfsdiff_guided" not in name
        }  # whose guess is BitonicX's
        assert {name.partition("@")[2] for name in direct} <= {fuser}
        assert sum(name.startswith("train") for name in direct) == FUSERS[fuser]
        if fuser != "bitonicx":
            assert len(found.trainings) == FUSERS[fuser]


def test_what_tfsdiff_alone_has_leaves_sr3_and_the_fusers_alone(jobs, trainings):
    found = blast(jobs, "methods/tfsdiff/method.py").trainings
    assert found == {name for name in trainings if "@tfsdiff" in name}


def test_what_sr3_alone_has_leaves_tfsdiff_alone(jobs, trainings):
    """But not the one that SR3 guides."""
    found = blast(jobs, "methods/sr3/method.py").trainings
    assert found == {name for name in trainings if "@sr3" in name or "guided" in name}


@pytest.mark.parametrize("file", ["core/tensors.py", "core/seeding.py", "core/backend.py"])
def test_every_training_for_what_changes_every_number(jobs, trainings, file):
    assert blast(jobs, file).trainings == trainings
    assert {name for name in blast(jobs, file).inputs if name.startswith("train")} == trainings


@pytest.mark.parametrize("file", ["training/loop.py", "training/optim.py", "training/loader.py"])
def test_every_training_of_a_network_for_what_trains_networks(jobs, trainings, file):
    assert blast(jobs, file).trainings == trainings - {"train_fuser@ctsr"}


def test_the_diffusion_is_nothing_to_networks_without(jobs, trainings):
    found = blast(jobs, "diffusion/schedule.py").trainings
    assert found == trainings - {f"train_fuser@{name}" for name in ("cddfuse", "tgfuse", "ctsr")}


def test_the_command_prints_a_table(capsys):
    assert blast_radius.main(["src/tfsdiff/core/seeding.py"]) == 0
    line = capsys.readouterr().out.splitlines()[-1]
    assert line.startswith("| `src/tfsdiff/core/seeding.py` | ")
    assert blast_radius.main(["src/tfsdiff/none.py"]) == 1
    assert "none.py does not exist" in capsys.readouterr().err
