"""Run the pipeline at several points and tabulate the scores: `python workflow/study.py NAME`.

A study of workflow/studies.yaml is a list of points, each with overrides as the composer takes
them, and of the scales that are scored. Further KEY=VALUE on the command line hold at all points;
`data.input=FOLDER pairs.input=FOLDER` for the real slices. The points are run one after another in
this folder by Snakemake, which makes anew only what a point changes, and resumes a training that
was killed. A point whose scores are there is passed over, unless its parameters have changed.

Writes results/studies/NAME/POINT.csv, the scores of all images with the columns of
results/scores, and results/studies/NAME/POINT.yaml, the parameters and the lengths of the
trainings. At the end params.yaml is the one that was there before.
"""

import argparse
import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from tfsdiff.common.errors import InputError, exit_code
from tfsdiff.common.files import replacing
from tfsdiff.compose import check, compose, dump

ROOT = Path(__file__).resolve().parents[1]
STUDIES = Path("workflow/studies.yaml")
OUT = Path("results/studies")


def study(root: Path, name: str, overrides: list[str], cores: str) -> None:
    """Run all points of the study `name` in the project `root`.

    Raises:
        InputError: there is no such study, a point cannot be composed, or Snakemake fails.
    """
    found = _read(root, name)
    composed = {
        point: compose([*found["overrides"], *own, *overrides], root / "workflow/conf")
        for point, own in found["points"].items()
    }
    for values in composed.values():
        check(values)  # of all points, before the first one is run
    kept = (root / "params.yaml").read_text(encoding="utf-8")
    try:
        for point, values in composed.items():
            _run(root, root / OUT / name / point, values, cores)
    finally:
        _write(root / "params.yaml", kept)


def _read(root: Path, name: str) -> dict[str, Any]:
    studies = yaml.safe_load((root / STUDIES).read_text(encoding="utf-8"))
    if name not in studies:
        raise InputError(f"{STUDIES}: no study {name!r}; there are {', '.join(studies)}")
    return studies[name]


def _run(root: Path, out: Path, values: dict[str, Any], cores: str) -> None:
    """Make the scores of one point, unless they are there, and keep them."""
    text = dump(values)
    record, scores = out.with_suffix(".yaml"), out.with_suffix(".csv")
    if record.is_file() and yaml.safe_load(record.read_text())["params"] == values:
        print(f"{out.name}: there already", file=sys.stderr)
        return
    print(f"{out.name}: snakemake runs what it changes", file=sys.stderr)
    _write(root / "params.yaml", text)
    tables = [f"results/scores/x{scale}.csv" for scale in values["scales"]]
    quiet = ("--quiet", "rules", "host", "--rerun-incomplete")
    done = subprocess.run(["snakemake", *tables, "--cores", cores, *quiet], cwd=root, check=False)
    if done.returncode:
        raise InputError(f"{out.name}: snakemake failed; see results/logs, and run again to go on")
    rows = [row for table in tables for row in _rows(root / table)]
    with replacing(scores) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    trainings = {
        path.stem: json.loads(path.read_text(encoding="utf-8"))
        for path in sorted((root / "results/speed").glob("*.json"))
    }
    content = {"params": values, "trainings": trainings}
    _write(record, yaml.safe_dump(content, sort_keys=True, allow_unicode=True))


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _write(path: Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python workflow/study.py", description=__doc__)
    parser.add_argument("name", help="a key of workflow/studies.yaml")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="hold at all points")
    parser.add_argument("--cores", default="all", help="of Snakemake; all by default")
    given = parser.parse_args(arguments)
    return exit_code(lambda: study(ROOT, given.name, given.overrides, given.cores))


if __name__ == "__main__":
    sys.exit(main())
