"""Wall time of `make repro` and DVC's own share: `python benchmarks/pipeline.py --profile ci`.

Runs the pipeline of the last commit in a fresh clone, which is deleted afterwards, and prints for
each run: the wall time; the seconds that the jobs took, all together; the seconds of DVC itself,
which records what was made and checks it, and its share; those a stage; and the seconds of a second
run, where nothing has changed. With `--dvc-alone` DVC runs the jobs, one after another: its own
seconds are then those in which no job runs. With `--methods 4 7 14` there is a run for each number
of fusers, all but one copies of two cheap ones: how the time grows.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
LEARNED, CHEAP = "ctsr", ("mean", "copy")
# Stands in for `python` of the jobs: notes when each began and ended.
SHIM = """\
#!/bin/sh
began=$(date +%s.%N)
"{python}" "$@"
code=$?
echo "$began $(date +%s.%N) $*" >> "{log}"
exit $code
"""


@dataclass(frozen=True)
class Run:
    """What one run took, in seconds.

    Attributes:
        fusers: their number.
        cells: jobs of the pipeline.
        wall: from start to end.
        jobs: sum over all jobs.
        dvc: DVC's own.
        again: a second run, with nothing to do.
        lock: size of dvc.lock, in bytes.
    """

    fusers: int
    cells: int
    wall: float
    jobs: float
    dvc: float
    again: float
    lock: int


@contextmanager
def clone() -> Iterator[Path]:
    """A fresh clone of the last commit, without what it has recorded."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "tfsdiff")
        subprocess.run(["git", "clone", "--quiet", ROOT, root], check=True)
        (root / "dvc.lock").unlink(missing_ok=True)
        yield root


def with_fusers(root: Path, count: int) -> None:
    """Give the pipeline in `root` so many fusers: one that learns, and copies of the cheap ones."""
    path = root / "params.yaml"
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    names: list[str] = []
    for i in range(count - 1):
        method = CHEAP[i % len(CHEAP)]
        name = method if i < len(CHEAP) else f"{method}_{i}"
        names.append(name)
        values["methods"][name] = {"method": method} | values["methods"][method]
        links = root / "workflow/code/fuse"
        if name != method:
            shutil.copytree(links / method, links / name, symlinks=True)
    lists = {"fusers": [LEARNED, *names], "plain_fusers": names, "learned_fusers": [LEARNED]}
    values |= lists
    path.write_text(yaml.safe_dump(values), encoding="utf-8")


def measured(root: Path, command: list[str]) -> tuple[float, list[tuple[float, float]], float]:
    """Run `command`: when it began, when each job ran, and when it ended."""
    binaries, log = root / ".bench", root / ".bench/jobs"
    binaries.mkdir(exist_ok=True)
    log.unlink(missing_ok=True)
    shim = binaries / "python"
    shim.write_text(SHIM.format(python=sys.executable, log=log), encoding="utf-8")
    shim.chmod(0o755)
    path = os.pathsep.join(map(str, (binaries, Path(sys.executable).parent, os.environ["PATH"])))
    environment = os.environ | {
        "PATH": path, "PYTHONPATH": str(root / "src"), "DVC_NO_ANALYTICS": "1",
    }  # fmt: skip
    began = time.time()
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)
    ended = time.time()
    if done.returncode:
        sys.exit(f"{done.stdout}{done.stderr}error: {' '.join(command)} failed")
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    jobs = [tuple(map(float, line.split()[:2])) for line in lines if "tfsdiff.stages." in line]
    return began, jobs, ended


def run(profile: str, fusers: int | None, dvc_alone: bool) -> Run:
    """Run the pipeline of a profile from nothing, and once more."""
    with clone() as root:
        compose = [sys.executable, "-m", "tfsdiff.compose", f"profile={profile}"]
        environment = os.environ | {"PYTHONPATH": str(root / "src")}
        subprocess.run(compose, cwd=root, env=environment, check=True)
        if fusers is not None:
            with_fusers(root, fusers)
        command = ["dvc", "repro"] if dvc_alone else [sys.executable, "workflow/repro.py"]
        began, jobs, ended = measured(root, command)
        again = measured(root, command)
        seconds = sum(last - first for first, last in jobs)
        # What makes things runs until the last job ends; from then on DVC records and checks.
        dvc = ended - began - seconds if dvc_alone else ended - max(last for _, last in jobs)
        text = (root / "dvc.lock").read_text(encoding="utf-8")
        values = yaml.safe_load((root / "params.yaml").read_text(encoding="utf-8"))
        cells = len(re.findall(r"^  [^ ].*:$", text, re.MULTILINE))
        counts = len(values["fusers"]), cells
        return Run(*counts, ended - began, seconds, dvc, again[2] - again[0], len(text))


def main() -> None:
    """Print a table with a line a run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", default="ci")
    parser.add_argument("--methods", type=int, nargs="+", help="numbers of fusers")
    parser.add_argument("--dvc-alone", action="store_true", help="one job after another")
    parser.add_argument("--json", type=Path, help="write the numbers there, too")
    given = parser.parse_args()
    print(
        "| fusers | jobs | wall s | in jobs s | DVC s | share | s a job | again s | lock kB |\n"
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    )
    runs = []
    for count in given.methods or [None]:
        one = run(given.profile, count, given.dvc_alone)
        runs.append(vars(one))
        print(
            f"| {one.fusers} | {one.cells} | {one.wall:.0f} | {one.jobs:.0f} | {one.dvc:.1f} "
            f"| {one.dvc / one.wall:.0%} | {one.dvc / one.cells:.2f} | {one.again:.1f} "
            f"| {one.lock / 1000:.0f} |",
            flush=True,
        )
    if given.json:
        given.json.write_text(json.dumps(runs), encoding="utf-8")


if __name__ == "__main__":
    main()
