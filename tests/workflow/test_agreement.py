"""DVC and Snakemake see one pipeline: same jobs, and each stage tracks exactly what it reads."""

import importlib
import inspect
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import grimp
import pytest
import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "workflow"))

from stages import Pipeline, Stage
from tfsdiff.methods import METHODS, method_class
from tfsdiff.methods.base import Enlarger, Fuser
from tfsdiff.methods.conditional.method import Diffusing
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


@pytest.mark.parametrize("name", ENTRIES)
def test_parameters_read_are_parameters_tracked(name):
    roots = {key.partition(".")[0] for key in ENTRIES[name]["params"]}
    section = next(iter(inspect.signature(function_of(ENTRIES[name])).parameters.values()))
    assert set(section.annotation.model_fields) == roots


@pytest.fixture(scope="module")
def imports():
    return grimp.build_graph("tfsdiff", cache_dir=None)


def closure(graph, module) -> set[str]:
    """Modules that `module` reaches; the zoo imports its members by name, out of sight."""
    seen, queue = set(), [module]
    while queue:
        current = queue.pop()
        if current not in seen:
            seen.add(current)
            queue += graph.find_modules_directly_imported_by(current)
    return seen


# Modules that only carry types, errors and file handling: no result changes with them.
PLUMBING = {
    "tfsdiff", "tfsdiff.core.backend", "tfsdiff.common.errors", "tfsdiff.common.files",
    "tfsdiff.params",
    "tfsdiff.common.progress", "tfsdiff.core.seeding", "tfsdiff.core.tensors",
    "tfsdiff.stages.support.cli",
    "tfsdiff.stages.support.image_folders", "tfsdiff.methods", "tfsdiff.methods.store",
}  # fmt: skip


def missing_code(root, graph, entry, modules) -> list[str]:
    """Files that `modules` reach and the stage does not name as inputs."""
    covered = [dep for dep in entry["deps"] if dep.startswith("src/")]
    for axis in ("fuser", "enlarger", "network"):
        covered = [dep.replace("${item." + axis + "}", "*") for dep in covered]
    missing = []
    for module in set().union(*(closure(graph, module) for module in modules)) - PLUMBING:
        path = Path("src", *module.split("."))
        path = path / "__init__.py" if (root / path).is_dir() else path.with_suffix(".py")
        if path.name == "__init__.py" and len((root / path).read_text().splitlines()) <= 1:
            continue
        if not any(path.is_relative_to(dep) or path.match(dep) for dep in covered):
            missing.append(path.as_posix())
    return sorted(missing)


@pytest.mark.parametrize("name", ENTRIES)
def test_code_that_a_stage_imports_is_a_dependency(root, imports, name):
    assert not missing_code(root, imports, ENTRIES[name], [module_of(ENTRIES[name])])


MEMBERS = {  # stages that load members of the zoo by name: of which kind
    "train_fuser": Fuser, "fuse": Fuser, "fuse_full": Fuser, "variants": Fuser,
    "cost": (Enlarger, Fuser),
    "train": (Enlarger, Diffusing), "train_ablation": Diffusing,
    "enlarge": Enlarger, "sample": Diffusing, "sample_ablation": Diffusing,
    "quality": Diffusing, "uncertainty": Diffusing,
}  # fmt: skip


@pytest.mark.parametrize("name", MEMBERS)
def test_code_of_the_members_is_a_dependency(root, imports, name):
    kinds = {
        method: kind
        for method, kind in ((m, method_class(m)) for m in METHODS)
        if issubclass(kind, MEMBERS[name])
    }
    if MEMBERS[name] is Fuser:  # those that enlarge as well are no fusers of cascades
        kinds = {method: kind for method, kind in kinds.items() if not issubclass(kind, Diffusing)}
    elif MEMBERS[name] is Diffusing:
        kinds = {method: kind for method, kind in kinds.items() if issubclass(kind, Fuser)}
    modules = [f"tfsdiff.fusers.{method}" for method in kinds]
    assert modules
    assert not missing_code(root, imports, ENTRIES[name], modules)


def test_caches_beside_the_code_are_no_inputs(pipeline, root):
    cache = root / "src/tfsdiff/filters/__pycache__"
    cache.mkdir(exist_ok=True)
    (cache / "made_by_numba.nbi").touch()
    inputs = pipeline.inputs("truth")({})
    (cache / "made_by_numba.nbi").unlink()
    assert "src/tfsdiff/filters/bitonic.py" in inputs
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
