"""pyproject.toml declares what is imported, part by part, and nothing else."""

import ast
import importlib.metadata
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tfsdiff import compose
from tfsdiff.common import errors

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
DEV = PROJECT["dependency-groups"]["dev"]

# Parts of the package by what they need beside the core; what is not listed is the core.
PARTS = {
    "acquisition/atlas": "atlas",
    "acquisition/phantom": "phantom",
    "compose.py": "pipeline",
    "evaluation": "pipeline",
    "report": "pipeline",
    "stages": "pipeline",
}
# Packages that are run or named instead of imported: a file and the word that does it.
PROGRAMS = {
    "codespell": ("Makefile", "codespell"),
    "dvc": ("workflow/repro.py", '"dvc"'),
    "import-linter": ("Makefile", "lint-imports"),
    "mkdocs": ("Makefile", "mkdocs build"),
    "mkdocs-material": ("mkdocs.yml", "name: material"),
    "mkdocstrings": ("mkdocs.yml", "mkdocstrings"),
    "pre-commit": ("CONTRIBUTING.md", "pre-commit install"),
    "pytest-xdist": ("Makefile", "pytest -q -n"),
    "ruff": ("Makefile", "ruff check"),
    "snakefmt": ("Makefile", "snakefmt"),
    "snakemake": ("workflow/repro.py", '"snakemake"'),
    "uv": ("Makefile", "uv pip install"),
    "yamllint": ("Makefile", "yamllint"),
}


BY_NAME = ("find_spec", "import_module")


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(requirements: list[str]) -> set[str]:
    return {normal(re.match(r"[\w.-]+", line)[0]) for line in requirements}


MODULES = importlib.metadata.packages_distributions()
CORE = declared(PROJECT["project"]["dependencies"])
OPTIONAL = {
    name: declared(lines) for name, lines in PROJECT["project"]["optional-dependencies"].items()
}


def imported(path: Path) -> Iterator[str]:
    """Top-level modules that a file imports, or looks for by a name in quotes."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module.partition(".")[0]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(BY_NAME):
            yield from (
                one.value
                for one in node.args
                if isinstance(one, ast.Constant) and "." not in one.value
            )


def packages(paths: list[Path], own: set[str] = frozenset()) -> dict[str, str]:
    """Packages of others that files import, and one file that does."""
    found = {}
    for path in paths:
        for module in set(imported(path)) - sys.stdlib_module_names - own - {"tfsdiff"}:
            found[normal(MODULES.get(module, [module])[0])] = str(path.relative_to(ROOT))
    return found


def part_of(path: Path) -> str | None:
    relative = path.relative_to(ROOT / "src/tfsdiff")
    for prefix, extra in PARTS.items():
        if relative.is_relative_to(prefix):
            return extra
    return None


@pytest.fixture(scope="module")
def parts() -> dict[str | None, dict[str, str]]:
    """What each part of the package imports."""
    paths = list((ROOT / "src").rglob("*.py"))
    extras = {part_of(path) for path in paths}
    return {extra: packages([p for p in paths if part_of(p) == extra]) for extra in extras}


def programs() -> set[str]:
    return {name for name, (path, word) in PROGRAMS.items() if word in (ROOT / path).read_text()}


@pytest.mark.parametrize("part", [None, *sorted(set(PARTS.values()))])
def test_what_a_part_imports_is_declared_for_it(part, parts):
    known = CORE | OPTIONAL.get(part, set())
    assert {name: path for name, path in parts[part].items() if name not in known} == {}


@pytest.mark.parametrize("part", [None, *sorted(set(PARTS.values()))])
def test_what_is_declared_for_a_part_is_used_there(part, parts):
    listed = CORE if part is None else OPTIONAL[part]
    assert listed - parts[part].keys() - programs() == set()


def test_what_surrounds_the_package_is_declared_and_used():
    """Tests, benchmarks, workflow and the tools of the documentation."""
    folders = ("tests", "benchmarks", "workflow", "docs")
    paths = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    paths = [path for path in paths if not path.is_symlink()]  # links to the package
    own = {path.stem for path in paths} | {path.parent.name for path in paths}
    found = packages(paths, own)
    known = CORE.union(*OPTIONAL.values(), declared(DEV))
    assert {name: path for name, path in found.items() if name not in known} == {}
    assert declared(DEV) - found.keys() - programs() == set()
    assert OPTIONAL["docs"] - found.keys() - programs() == set()


def test_nothing_is_declared_twice():
    extras = [OPTIONAL[name] for name in OPTIONAL if name != "all"]
    names = [name for listed in (CORE, *extras, declared(DEV)) for name in listed]
    assert sorted(set(names)) == sorted(names)


def test_all_has_every_extra_of_the_package():
    (line,) = PROJECT["project"]["optional-dependencies"]["all"]
    assert line == f"tfsdiff[{','.join(sorted(set(PARTS.values())))}]"


def test_errors_name_the_extra_of_every_module(parts):
    for extra, modules in errors.EXTRAS.items():
        found = {normal(MODULES[module][0]) for module in modules}
        assert found == parts[extra].keys() & OPTIONAL[extra]


def test_every_requirement_is_pinned():
    constraints = (ROOT / "requirements/constraints.txt").read_text().splitlines()
    pinned = {normal(line.partition("==")[0]) for line in constraints if "==" in line}
    assert CORE.union(*OPTIONAL.values(), declared(DEV)) - pinned == {"tfsdiff"}


def test_a_command_without_its_extra_ends_with_one_line(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "hydra", None)
    monkeypatch.chdir(ROOT)
    assert compose.main([]) == 1
    assert capsys.readouterr().err == line("hydra", "pipeline")


def test_a_stage_without_its_extra_ends_with_one_line(capsys):
    error = ModuleNotFoundError("No module named 'scmrepo'", name="scmrepo.exceptions")
    errors.report_missing_extra(type(error), error, None)
    assert capsys.readouterr().err == line("scmrepo", "pipeline")


def test_another_module_that_is_missing_has_a_traceback(capsys):
    with pytest.raises(ModuleNotFoundError):
        errors.exit_code(lambda: importlib.import_module("tfsdiff.nothing"))
    error = ModuleNotFoundError("No module named 'scipi'", name="scipi")
    errors.report_missing_extra(type(error), error, None)
    assert "ModuleNotFoundError: No module named 'scipi'" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("missing", "extra", "module", "arguments"),
    [
        ("httpx", "atlas", "tfsdiff.cli", "atlas status --params PARAMS"),
        ("pandas", "pipeline", "tfsdiff.stages.evaluate", ""),
        ("nibabel", "phantom", "tfsdiff.stages.acquire", "--input . --out raw --params PARAMS"),
    ],
)
def test_a_process_without_an_extra_ends_with_one_line(missing, extra, module, arguments, tmp_path):
    source = "atlas" if extra == "atlas" else "phantom"
    values = compose.compose(["profile=ci", f"data={source}"], ROOT / compose.CONF)
    (tmp_path / "params.yaml").write_text(compose.dump(values))
    words = [module, *arguments.replace("PARAMS", "params.yaml").split()]
    code = (
        f"import runpy, sys; sys.modules[{missing!r}] = None; sys.argv = {words!r}; "
        f"runpy.run_module({module!r}, run_name='__main__', alter_sys=True)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (1, "", line(missing, extra))


def line(module: str, extra: str) -> str:
    return f"error: {module} is not installed; run pip install 'tfsdiff[{extra}]'\n"
