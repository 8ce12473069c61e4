"""`make repro`: all cores where nothing has been made, and DVC's word everywhere else."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "workflow"))

import repro as program  # noqa: E402

DVC = """\
stages:
  one:
    cmd: python src/step.py src/text.txt data/one.txt
    deps: [src/step.py, src/text.txt]
    params: [seed]
    outs: [data/one.txt]
  two:
    matrix: {{letter: [a, b]}}
    cmd: python src/step.py data/one.txt results/${{item.letter}}.txt{wait}
    deps: [src/step.py, data/one.txt]
    outs: ["results/${{item.letter}}.txt"]
  table:
    cmd: python src/step.py results/a.txt results/report.txt
    deps: [src/step.py, results/a.txt, results/b.txt]
    outs: [results/report.txt]
"""
STEP = """\
import sys, time
from pathlib import Path
wait = sys.argv[3] if len(sys.argv) > 3 else "0"
if wait == "go":
    end = time.monotonic() + 60
    while not Path("go").exists() and time.monotonic() < end:
        time.sleep(0.05)
else:
    time.sleep(float(wait))
Path(sys.argv[2]).parent.mkdir(exist_ok=True)
Path(sys.argv[2]).write_text(Path(sys.argv[1]).read_text() + "+")
with open("ran", "a") as stream:
    stream.write(sys.argv[2] + "\\n")
"""


def _interruptible():
    """Accept SIGINT, which shells let processes in the background ignore, the tests' own too."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Small:
    """A project of four jobs, each of which notes that it ran."""

    def __init__(self, folder, wait=""):
        self.folder = folder
        (folder / "src").mkdir()
        (folder / "src/step.py").write_text(STEP)
        (folder / "src/text.txt").write_text("text")
        (folder / "dvc.yaml").write_text(DVC.format(wait=wait))
        (folder / "params.yaml").write_text("seed: 1\ncompute: {device: cpu, threads: 1}\n")
        (folder / ".gitignore").write_text("/data/\n/results/\n/.snakemake/\n")
        (folder / "workflow").mkdir()
        for name in ("pipeline.py", "repro.py"):
            shutil.copy(ROOT / "workflow" / name, folder / "workflow")
        text = (ROOT / "Snakefile").read_text()
        head, tail = text.split("rule ablations:")
        (folder / "Snakefile").write_text(head + tail[tail.index("for stage in") :])
        binaries = Path(sys.executable).parent
        path = f"{binaries}{os.pathsep}{os.environ['PATH']}"
        self.environment = os.environ | {"PATH": path, "DVC_NO_ANALYTICS": "1"}

    def run(self, *command):
        return subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True,
            check=True,
        )  # fmt: skip

    def start(self):
        if not (self.folder / ".git").exists():
            self.run("git", "init", "--quiet")
            self.run("dvc", "init", "--quiet")
            shutil.copy(ROOT / ".dvcignore", self.folder / ".dvcignore")
        return subprocess.Popen(
            [sys.executable, "workflow/repro.py"], cwd=self.folder, env=self.environment,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
            preexec_fn=_interruptible,
        )  # fmt: skip

    def repro(self):
        process = self.start()
        output, _ = process.communicate(timeout=120)
        return process.returncode, output

    def ran(self):
        path = self.folder / "ran"
        names = path.read_text().split() if path.exists() else []
        path.unlink(missing_ok=True)
        return sorted(names)


ALL = ["data/one.txt", "results/a.txt", "results/b.txt", "results/report.txt"]


@pytest.fixture
def small(tmp_path):
    return Small(tmp_path)


@pytest.fixture
def project(small):
    (small.folder / ".snakemake").mkdir()
    return program.Project(small.folder)


def test_nothing_made_is_for_snakemake(project):
    assert project.reason_for_dvc_alone() is None


def test_outputs_are_for_dvc(small, project):
    (small.folder / "results").mkdir()
    (small.folder / "results/b.txt").write_text("made by somebody")
    assert project.reason_for_dvc_alone() == "there are outputs"


def test_what_is_in_the_cache_is_for_dvc(small, project):
    (small.folder / program.CACHE).mkdir(parents=True)
    assert "earlier runs" in project.reason_for_dvc_alone()


def test_gpus_are_for_dvc(small):
    (small.folder / "params.yaml").write_text("seed: 1\ncompute: {device: cuda, threads: 1}\n")
    assert "GPU" in program.Project(small.folder).reason_for_dvc_alone()


def test_an_interrupted_run_goes_on_from_the_same_sources_alone(small, project):
    project.start()
    (small.folder / "data").mkdir()
    (small.folder / "data/one.txt").write_text("text+")
    assert project.reason_for_dvc_alone() is None
    for name in ("src/text.txt", "params.yaml"):
        before = (small.folder / name).read_text()
        (small.folder / name).write_text(before + " ")
        assert "differ" in project.reason_for_dvc_alone()
        (small.folder / name).write_text(before)
    (small.folder / program.CACHE).mkdir(parents=True)  # DVC ran in between
    assert "earlier runs" in project.reason_for_dvc_alone()


def test_an_unreadable_note_is_for_dvc(small, project):
    (small.folder / program.STARTED).write_text("{")
    assert "differ" in project.reason_for_dvc_alone()


@pytest.mark.slow
def test_from_nothing_and_again_and_after_an_edit(small):
    code, output = small.repro()
    assert code == 0, output
    assert small.ran() == ALL
    assert "Data and pipelines are up to date" in output
    assert (small.folder / "results/report.txt").read_text() == "text+++"
    assert not (small.folder / program.STARTED).exists()
    code, output = small.repro()
    assert (code, small.ran()) == (0, [])
    # An older time, which Snakemake would not notice.
    (small.folder / "src/text.txt").write_text("other")
    os.utime(small.folder / "src/text.txt", (1, 1))
    code, output = small.repro()
    assert (code, small.ran()) == (0, ALL)
    assert "dvc repro decides alone" in output
    assert (small.folder / "results/report.txt").read_text() == "other+++"


@pytest.mark.slow
def test_an_interrupted_run_ends_with_its_code_and_goes_on(tmp_path):
    small = Small(tmp_path, wait=" go")  # so the run cannot end before it is interrupted
    process = small.start()
    while not (small.folder / "data/one.txt").exists():
        time.sleep(0.1)
    time.sleep(2)  # two jobs are under way
    code, output = small_second = small.repro()
    assert code == 1, small_second
    assert "another `make repro` runs" in output
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == program.INTERRUPTED, output
    assert "goes on from here" in output
    assert small.ran() == ["data/one.txt"]
    (small.folder / "go").touch()
    code, output = small.repro()
    assert code == 0, output
    assert small.ran() == ALL[1:]
    assert "Data and pipelines are up to date" in output


@pytest.mark.slow
def test_an_edit_during_the_run_is_not_recorded(tmp_path):
    small = Small(tmp_path, wait=" 4")
    process = small.start()
    while not (small.folder / "data/one.txt").exists():
        time.sleep(0.1)
    (small.folder / "src/text.txt").write_text("edited")
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert "changed meanwhile" in output
    assert (small.folder / "results/report.txt").read_text() == "edited+++"


@pytest.mark.slow
def test_a_job_that_fails_ends_with_its_log(small):
    (small.folder / "src/step.py").write_text("raise SystemExit('error: there is no such thing')")
    code, output = small.repro()
    assert code == 1
    assert "error: there is no such thing" in output
    assert "goes on from here" in output
