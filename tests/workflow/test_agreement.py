"""DVC and Snakemake see one pipeline: same jobs, and each stage tracks exactly what it reads."""

import importlib
import inspect
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "workflow"))

from pipeline import Pipeline, Stage
from tfsdiff.stages.support import cli

ENTRIES = yaml.safe_load(Path(__file__).resolve().parents[2].joinpath("dvc.yaml").read_text())
ENTRIES = ENTRIES["stages"]


def module_of(entry) -> str:
    return re.search(r"-m (tfsdiff\.stages\.\w+)", entry["cmd"])[1]


def function_of(entry):
    module = importlib.import_module(module_of(entry))
    return getattr(module, module.__name__.rpartition(".")[2])


@pytest.fixture(scope="module")
def pipeline(root):
    return Pipeline(root)


@pytest.fixture(scope="module")
def dvc_jobs(root):
    """Command to (inputs, outputs) of every job, as DVC itself resolves dvc.yaml."""
    code = (
        "import json, sys\n"
        "from dvc.repo import Repo\n"
        "jobs = {s.cmd: [sorted(str(d.def_path) for d in s.deps if hasattr(d, 'def_path')"
        " and type(d).__name__ != 'ParamsDependency'), sorted(o.def_path for o in s.outs)]"
        " for s in Repo('.').index.stages if s.cmd}\n"
        "print(json.dumps(jobs))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


@pytest.mark.slow
def test_reader_gives_the_jobs_of_dvc(pipeline, dvc_jobs):
    ours = {
        stage.command(cell): [
            sorted(stage.inputs(cell)),
            sorted(path.format(**cell) for path in stage.outputs),
        ]
        for stage in pipeline
        for cell in stage.cells()
    }
    assert ours == dvc_jobs


@pytest.mark.slow
def test_snakemake_plans_the_jobs_of_dvc(root, dvc_jobs):
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--dry-run", "--forceall", "--printshellcmds",
         "--cores", "1", "--nolock", "all"],
        cwd=root, capture_output=True, text=True, check=True,
    )  # fmt: skip
    planned = set(re.findall(r"(python -m tfsdiff\.stages\.[^>]*?) >", done.stdout + done.stderr))
    assert planned == set(dvc_jobs)


@pytest.mark.parametrize("name", ENTRIES)
def test_flags_are_arguments_of_the_function(name):
    words = shlex.split(ENTRIES[name]["cmd"])
    flags = {word[2:].replace("-", "_") for word in words if word.startswith("--")}
    arguments = list(inspect.signature(function_of(ENTRIES[name])).parameters)[1:]
    assert flags == set(arguments)


@pytest.mark.parametrize("module", sorted({module_of(entry) for entry in ENTRIES.values()}))
def test_parameters_read_are_parameters_tracked(module):
    """By all stages of a module together: `train` reads `variants` for ablations alone."""
    entries = [entry for entry in ENTRIES.values() if module_of(entry) == module]
    roots = {key.partition(".")[0] for entry in entries for key in entry["params"]}
    section = next(iter(inspect.signature(function_of(entries[0])).parameters.values()))
    assert set(section.annotation.model_fields) == roots


def test_what_much_waits_for_runs_first(pipeline):
    order = ["acquire", "prepare", "truth", "train", "sample", "evaluate", "table"]
    waiting = [pipeline.waiting(pipeline[name]) for name in order]
    assert waiting == sorted(waiting, reverse=True)
    assert waiting[-1] == 0
    assert pipeline.waiting(pipeline["cost"]) == 0


def test_lists_are_short_enough_to_be_read(root):
    cells = sum(len(stage.cells()) for stage in Pipeline(root))
    assert cells <= 105
    assert len((root / "dvc.yaml").read_text().splitlines()) < 520


def test_jobs_take_as_many_gpus_as_dvc_yaml_says(pipeline):
    gpus = {stage.name: stage.gpus for stage in pipeline}
    assert {gpus[name] for name in ("fuse_learned", "sample", "train_fuser")} == {1}
    assert {gpus[name] for name in ("acquire", "fuse", "evaluate", "table")} == {0}
    assert pipeline.gpus(pipeline["sample"]) == 0  # on a CPU


def test_jobs_with_a_process_a_core_take_all_cores(pipeline, monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 7)
    threads = {stage.name: pipeline.threads(stage) for stage in pipeline}
    assert threads.pop("synthesise") == 7
    assert set(threads.values()) == {1}


def test_caches_beside_the_code_are_no_inputs(pipeline, root):
    cache = root / "src/tfsdiff/acquisition/phantom/__pycache__"
    cache.mkdir(exist_ok=True)
    (cache / "made_by_numba.nbi").touch()
    inputs = pipeline.inputs("acquire")({})
    (cache / "made_by_numba.nbi").unlink()
    assert not any("__pycache__" in path for path in inputs)


def test_every_stage_function_has_a_parser():
    for entry in ENTRIES.values():
        assert cli.parser_of(function_of(entry)).format_help()


def test_reader_refuses_templates_that_it_does_not_know():
    entry = {"cmd": "run ${item.colour}", "outs": ["out"], "matrix": {"scale": [2]}}
    stage = Stage("odd", entry, {})
    with pytest.raises(ValueError, match="no axis 'colour'"):
        stage.command({"scale": "2"})
    with pytest.raises(KeyError, match="has no 'scales'"):
        Stage("odd", {"cmd": "run", "matrix": {"scale": "${scales}"}}, {})


def test_an_empty_axis_matches_nothing():
    entry = {"cmd": "run", "outs": ["out/${item.scale}"], "matrix": {"scale": "${scales}"}}
    stage = Stage("odd", entry, {"scales": []})
    assert stage.all_outputs() == []
    assert not re.fullmatch(stage.constraints()["scale"], "")
    assert not re.fullmatch(stage.constraints()["scale"], "2")
