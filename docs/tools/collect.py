"""Copy the numbers of a finished run to the documentation, and note what made them.

    python docs/tools/collect.py RUN OUT [--command TEXT] [--note TEXT]

RUN is the folder of a project in which a profile was run. OUT gets its tables as the pipeline wrote
them (CSV), the curves of its trainings in one table, its params.yaml, and run.json: profile,
command, commit, data, machine, versions, duration. No image is copied: those of the atlas may not
be passed on. Call it on the machine, and with the Python, of the run.
"""

import argparse
import json
import os
import platform
import re
import subprocess
import sys
from collections import Counter
from datetime import timedelta
from importlib import metadata
from pathlib import Path
from typing import Any

import pandas as pd
import torch
import yaml

from tfsdiff.common.errors import InputError, exit_code
from tfsdiff.evaluation.measure import describe
from tfsdiff.evaluation.training_curves import read_curve
from tfsdiff.report.figures.training_curves import LOSSES, PANELS

TABLES = {  # of the documentation: of the run
    "table1": "report/table1",
    "table2": "report/table2",
    "variants": "report/variants",
    "leakage": "report/leakage",
    "cost": "timings/cost",  # with seconds and memory, which report/cost.csv leaves out
}
LIBRARIES = ("torch", "numpy", "scipy", "scikit-image", "lpips", "pandas", "dvc", "snakemake")


def collect(run: Path, out: Path, command: str | None, note: str | None) -> None:
    """Fill the folder `out` with the numbers of `run`.

    Raises:
        InputError: something that the profile makes is not there.
    """
    params = yaml.safe_load(_text(run / "params.yaml"))
    out.mkdir(parents=True, exist_ok=True)
    sources = {name: run / "results" / f"{path}.csv" for name, path in TABLES.items()}
    for network in params["quality"]["networks"]:
        for scale in params["quality"]["scales"]:
            name = f"{network}-x{scale}"
            sources[f"quality-{name}"] = run / f"results/quality/{name}.csv"
    for network in params["joint"]:
        for scale in params["uncertainty"]["scales"]:
            name = f"{network}-x{scale}"
            sources[f"uncertainty-{name}"] = run / f"results/uncertainty/{name}.csv"
    texts = {f"{name}.csv": _text(path) for name, path in sources.items()}
    texts["params.yaml"] = _text(run / "params.yaml")
    texts["curves.csv"] = _curves(run, params).to_csv(index=False, lineterminator="\n")
    found = _run(run, params, command or _command(run), note)
    texts["run.json"] = json.dumps(found, indent=2, ensure_ascii=False) + "\n"
    for name, text in texts.items():
        (out / name).write_text(text, encoding="utf-8")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; has the run finished?") from None


def _curves(run: Path, params: dict[str, Any]) -> pd.DataFrame:
    """All curves that the figures of the trainings show, a line a value."""
    networks = [*params["networks"], *params["guided"]]
    pairs = [(name, scale) for name in networks for scale in params["scales"]]
    pairs += [(name, at) for name in params["ablations"] for at in params["ablation_scales"]]
    wanted = [(name, scale, f"{name}-x{scale}", PANELS) for name, scale in pairs]
    wanted += [
        (name, "", name, LOSSES)
        for name in params["learned_fusers"]
        if name not in params["imported"]
    ]
    parts = [
        read_curve(run / "results/live" / folder, table)
        .rename("value")
        .reset_index()
        .assign(training=name, scale=scale, curve=table)
        for name, scale, folder, tables in wanted
        for table in tables
    ]
    return pd.concat(parts)[["training", "scale", "curve", "step", "value"]]


def _run(run: Path, params: dict[str, Any], command: str, note: str | None) -> dict[str, Any]:
    return {
        "profile": params["profile"],
        "command": command,
        "commit": _git(run, "rev-parse", "--short", "HEAD"),
        "changed": _git(run, "status", "--porcelain", "--", "src", "dvc.yaml", "workflow/code")
        != "",
        "data": _data(run, params),
        "machine": _machine(params["compute"]["device"], params["compute"]["threads"]),
        "versions": {
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in LIBRARIES},
        },
        "duration": _duration(run),
        "note": note,
    }


def _command(run: Path) -> str:
    """The command that chose what the run computed, as its choice records it."""
    chosen = yaml.safe_load(_text(run / "workflow/conf/chosen.yaml"))
    words = []
    for entry in chosen.pop("defaults"):
        if isinstance(entry, dict):
            ((key, value),) = entry.items()
            words.append(f"{key.removeprefix('override ')}={value}")
    words += [f"{key}={_given(value)}" for key, value in _leaves(chosen, "")]
    return " ".join(["python -m tfsdiff.compose", *words])


def _given(value: Any) -> str:
    """A value as one gives it on the command line."""
    if isinstance(value, list):
        return f"[{','.join(map(_given, value))}]"
    return (
        "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    )


def _leaves(values: dict[str, Any], prefix: str) -> list[tuple[str, Any]]:
    found = []
    for key, value in values.items():
        if isinstance(value, dict):
            found += _leaves(value, f"{prefix}{key}.")
        else:
            found.append((prefix + key, value))
    return found


def _git(run: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=run, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _data(run: Path, params: dict[str, Any]) -> dict[str, Any]:
    groups = pd.read_csv(run / "data/raw/manifest.csv", dtype=str)
    split = pd.read_csv(run / f"data/splits/{params['split']['rule']}.csv", dtype=str)
    patients = split.groupby("part")["patient"].nunique()
    return {
        "source": params["data"]["source"],
        "groups": len(groups),
        "patients": int(groups["patient"].nunique()),
        "combinations": dict(sorted(Counter(groups["combination"]).items())),
        "pairs": len(pd.read_csv(run / "data/pairs/manifest.csv", dtype=str)),
        "pixels": params["resolution"]["hr_pixels"],
        "split": {
            "rule": split["rule"].iloc[0],
            **{
                part: {"groups": count, "patients": int(patients[part])}
                for part, count in sorted(Counter(split["part"]).items())
            },
        },
    }


def _machine(device: str, threads: int) -> dict[str, Any]:
    return {
        "device": describe(torch.device(device), threads),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
    }


def _duration(run: Path) -> dict[str, Any] | None:
    """Jobs, and time by the clock, over all calls of Snakemake, as a run may have been resumed."""
    jobs, elapsed, complete = 0, timedelta(), False
    for log in sorted((run / ".snakemake/log").glob("*.snakemake.log")):
        text = log.read_text(encoding="utf-8")
        done = len(re.findall(r"^Finished jobid: \d+ \(Rule: (?!all\))", text, re.MULTILINE))
        time = re.search(r"^Elapsed time: (\d+):(\d+):(\d+)", text, re.MULTILINE)
        if done and time:
            hours, minutes, seconds = map(int, time.groups())
            jobs += done
            elapsed += timedelta(hours=hours, minutes=minutes, seconds=seconds)
            complete = "steps (100%) done" in text
    return {"jobs": jobs, "clock": str(elapsed)} if complete else None


def main() -> int:
    """Entry point; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument(
        "--command", help="what composed the parameters, if not the recorded choice"
    )
    parser.add_argument("--note", help="a sentence about the run, e.g. what else the machine did")
    options = parser.parse_args()
    return exit_code(lambda: collect(options.run, options.out, options.command, options.note))


if __name__ == "__main__":
    sys.exit(main())
