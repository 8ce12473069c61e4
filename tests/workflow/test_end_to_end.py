"""The profile `ci` from nothing, through both tools: a table at the end, and the same bytes."""

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

COMMITTED = ("dvc.yaml", "Snakefile", ".dvcignore", "src", "workflow")


class Project:
    """A copy of the project in which the tools may run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        binaries = Path(sys.executable).parent
        self.environment = os.environ | {
            "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(folder / "src"),
            "DVC_NO_ANALYTICS": "1",
        }

    def run(self, *command: str, code: int = 0) -> str:
        done = subprocess.run(
            [str(part) for part in command], cwd=self.folder, env=self.environment,
            capture_output=True, text=True, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        output = done.stdout + done.stderr
        assert done.returncode == code, output[-5000:]
        return output

    def python(self, *arguments: str, code: int = 0) -> str:
        return self.run(sys.executable, "-m", *arguments, code=code)


@pytest.fixture(scope="module")
def project(root, tmp_path_factory):
    folder = tmp_path_factory.mktemp("project")
    for name in COMMITTED:
        source = root / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
            shutil.copytree(source, folder / name, ignore=ignored)
        else:
            shutil.copy(source, folder / name)
    made = Project(folder)
    made.run("git", "init", "--quiet")
    author = ("-c", "user.name=test", "-c", "user.email=test@localhost")
    made.run("git", *author, "commit", "--quiet", "--allow-empty", "--message", "Start")
    made.run("dvc", "init", "--quiet")
    shutil.copy(root / ".dvcignore", folder / ".dvcignore")
    (folder / ".gitignore").write_text("/data/\n/results/\n/.snakemake/\n")
    made.python("tfsdiff.compose", "profile=ci")
    made.run("dvc", "repro", "--quiet")
    return made


@pytest.mark.slow
def test_both_tools_make_the_same_bytes(project):
    assert "up to date" in project.run("dvc", "status")
    project.run("snakemake", "--forceall", "--cores", "2", "--quiet", "all", "all")
    status = project.run("dvc", "status")
    assert "up to date" in status, status


@pytest.mark.slow
def test_table_1_has_a_number_for_every_method(project):
    with (project.folder / "results/report/table1.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert {row["row"] for row in rows} >= {"tfsdiff", "bitonicx-sr3", "bitonicx-bicubic"}
    for row in rows:
        for metric in ("AG", "MSE", "VIF", "SSIM", "PSNR", "MAE", "RMSE"):
            assert row[metric] != "", row
    # The ceiling is the ground truth itself, up to nothing.
    ceiling = next(r for r in rows if r["row"] == "bitonicx-full" and r["against"] == "truth")
    assert float(ceiling["MSE"]) == 0


@pytest.mark.slow
def test_a_changed_parameter_reruns_only_what_depends_on_it(project):
    project.python("tfsdiff.compose", "profile=ci", "sampling.steps=3")
    stale = {
        line.rstrip(":") for line in project.run("dvc", "status").splitlines() if line[:1].strip()
    }
    project.python("tfsdiff.compose", "profile=ci")
    assert {"enlarge@sr3-2", "sample@tfsdiff-2"} <= stale
    assert not any(name.startswith(("acquire", "split", "truth", "train")) for name in stale)


@pytest.mark.slow
def test_a_wrong_folder_ends_with_one_line_and_leaves_the_old_data(project):
    before = sorted((project.folder / "data/raw/images").iterdir())
    project.python("tfsdiff.compose", "profile=ci", "data=directory", "data.input=/nowhere")
    command = ["tfsdiff.stages.acquire", "--input", "/nowhere", "--out", "data/raw"]
    output = project.python(*command, code=1)
    project.python("tfsdiff.compose", "profile=ci")
    assert output.count("\n") == 1
    assert "data.input" in output
    assert sorted((project.folder / "data/raw/images").iterdir()) == before
