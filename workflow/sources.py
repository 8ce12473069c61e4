"""Gather the source files that each job depends on: `python workflow/sources.py` (`make sources`).

`workflow/code/STAGE` holds a link to every module that can change a result of the stage, and
`workflow/code/STAGE/METHOD` those of a stage that runs one method a cell. DVC follows the links: an
edit of a file changes the jobs that have a link to it, and no others. Linked are the modules that
the stage can import and, where it takes methods from the registry by name, those that they can
import; modules that only trainings import are linked for no other stage. Left out are modules on
which no result depends.
With `--check` nothing is written, and the exit code is 1 where links are not up to date.
"""

import argparse
import ast
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grimp
import yaml

from tfsdiff.compose import compose
from tfsdiff.methods import METHODS
from tfsdiff.metrics.registry import METRICS

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "tfsdiff"
CODE = "workflow/code"

# Modules on which no result depends, and why.
INERT = {
    "tfsdiff": "the version",
    "tfsdiff.common.errors": "texts of errors",
    "tfsdiff.common.files": "atomic writing, whatever is written",
    "tfsdiff.common.processes": "who computes what, in any order",
    "tfsdiff.common.progress": "bars on a terminal",
    "tfsdiff.common.signals": "interrupts a training, which then resumes to the same bits",
    "tfsdiff.methods": "which class a name stands for; the class is tracked",
    "tfsdiff.params": "types of parameters, whose values are tracked",
    "tfsdiff.stages.support.cli": "flags of a command that is tracked",
    "tfsdiff.stages.support.dvclive_log": "names and digits of curves",
    "tfsdiff.stages.support.torchrun": "starts processes, whose number is tracked",
    "tfsdiff.training.log": "types, and a log that records nothing",
}
WEIGHTS = f"src/{PACKAGE}/weights"  # that ship: stages read those of their own run
# Stages that take several methods from the registry: the lists that name them.
LISTS = {"cost": ("enlargers", "fusers", "joint"), "variants": ("fusers",)}
# Modules imported by name, which an import graph does not see.
BY_NAME = {
    "tfsdiff.metrics.score": {entry.function.partition(":")[0] for entry in METRICS.values()},
}


class Sources:
    """The source files that the jobs of dvc.yaml depend on.

    Attributes:
        graph: imports of the package.
        folders: of links, `STAGE` or `STAGE/METHOD`, that dvc.yaml names.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._empty: dict[Path, bool] = {}
        inside = (root / "src" / PACKAGE).rglob("*")
        self._others = [path for path in inside if path.suffix not in (".py", ".pyc")]
        self._others = [
            path
            for path in self._others
            if path.is_file() and not path.is_relative_to(root / WEIGHTS)
        ]
        self.graph = grimp.build_graph(PACKAGE, cache_dir=None)
        # All methods, whichever profile params.yaml was composed from.
        self._values = compose([], root / "workflow/conf")
        stages = yaml.safe_load((root / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
        self.folders = sorted({name for entry in stages.values() for name in self._named(entry)})

    def _named(self, entry: dict[str, Any]) -> Iterator[str]:
        for dep in entry["deps"]:
            folder = re.fullmatch(rf"{CODE}/(\w+)(?:/(?:(\w+)|\$\{{item\.(\w+)\}}))?", dep)
            if not folder:
                continue
            stage, method, axis = folder.groups()
            if axis:
                for name in self._listed(entry["matrix"][axis].strip("${}")):
                    yield f"{stage}/{name}"
            else:
                yield f"{stage}/{method}" if method else stage

    def _listed(self, key: str) -> list[str]:
        values = self._values
        for part in key.split("."):
            values = values[part]
        return values

    def of(self, folder: str) -> list[Path]:
        """Files that the jobs of a folder of links depend on."""
        stage, _, method = folder.partition("/")
        methods = (
            [method] if method else [m for key in LISTS.get(stage, ()) for m in self._values[key]]
        )
        modules = self._closure(f"{PACKAGE}.stages.{stage}")
        for name in methods:
            entry = METHODS[name]
            modules |= self._closure(entry.method.partition(":")[0])
            if stage.startswith("train") and entry.training:
                modules |= self._closure(entry.training)
        files = {path for path in map(self._path, modules - set(INERT)) if not self._is_empty(path)}
        return sorted(files | {other for path in files for other in self._resources(path)})

    def _closure(self, module: str) -> set[str]:
        seen, queue = set(), [module]
        while queue:
            current = queue.pop()
            if current not in seen:
                seen.add(current)
                queue += self.graph.find_modules_directly_imported_by(current)
                queue += BY_NAME.get(current, ())
        return seen

    def _path(self, module: str) -> Path:
        path = Path("src", *module.split("."))
        return path / "__init__.py" if (self._root / path).is_dir() else path.with_suffix(".py")

    def _is_empty(self, file: Path) -> bool:
        """Whether a module has nothing but a docstring."""
        if file not in self._empty:
            body = ast.parse((self._root / file).read_text(encoding="utf-8")).body
            self._empty[file] = all(isinstance(node, ast.Expr) for node in body)
        return self._empty[file]

    def _resources(self, file: Path) -> Iterator[Path]:
        """Files of the package that are no modules, and that the module `file` names."""
        text = (self._root / file).read_text(encoding="utf-8")
        return (path.relative_to(self._root) for path in self._others if path.name in text)

    def links(self) -> dict[Path, Path]:
        """All links, below the folder of all links, and where they point to."""
        package = Path("src", PACKAGE)
        return {
            Path(folder, ".".join(file.relative_to(package).parts)): file
            for folder in self.folders
            for file in self.of(folder)
        }


def write(root: Path, links: dict[Path, Path]) -> None:
    """Make the folder of all links anew."""
    shutil.rmtree(root / CODE, ignore_errors=True)
    for link, file in links.items():
        path = root / CODE / link
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(os.path.relpath(root / file, path.parent))


def found(root: Path) -> dict[Path, Path]:
    """The existing links; a regular file counts as a link to itself."""
    return {
        path.relative_to(root / CODE): path.resolve().relative_to(root)
        for path in (root / CODE).rglob("*")
        if path.is_symlink() or path.is_file()
    }


def main(arguments: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python workflow/sources.py", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if out of date")
    given = parser.parse_args(arguments)
    links = Sources(ROOT).links()
    if found(ROOT) == links:
        return 0
    if given.check:
        print(f"error: {CODE} is not up to date; run `make sources`", file=sys.stderr)
        return 1
    write(ROOT, links)
    return 0


if __name__ == "__main__":
    sys.exit(main())
