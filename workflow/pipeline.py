"""Reads dvc.yaml for Snakemake: commands, inputs, outputs and tracked parameters of each stage.

A DVC template `${item.scale}` and a Snakemake wildcard `{scale}` are the same idea, so one becomes
the other; any other `${...}` is looked up in params.yaml. The accepted grammar is kept small on
purpose. Imports neither DVC nor torch: a dry run stays fast.
"""

import itertools
import os
import re
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

TEMPLATE = re.compile(r"\$\{([\w.]+)\}")
NOTHING = "(?!)"  # the empty pattern would match anything


class Stage:
    """One stage of dvc.yaml as a Snakemake rule.

    Attributes:
        name: the stage's name.
        axes: the matrix, wildcard to its values as text.
        outputs: paths with `{wildcard}` in them.
        log: path of the log, with all wildcards in it.
        gpus: how many a job computes on, where `compute.device` is a GPU; 0 for all others.
        all_cores: whether a job has a process for each core.
    """

    def __init__(self, name: str, entry: dict[str, Any], values: dict[str, Any]) -> None:
        self.name = name
        self._entry = entry
        self._values = values
        self.axes = {
            axis: [str(value) for value in _resolve(spec, values)]
            for axis, spec in entry.get("matrix", {}).items()
        }
        written = [path for key in ("outs", "metrics", "plots") for path in entry.get(key, [])]
        self.outputs = [
            self._pattern(path if isinstance(path, str) else next(iter(path))) for path in written
        ]
        self._inputs = [self._pattern(path) for path in entry.get("deps", [])]
        self.log = f"results/logs/{'-'.join([name, *(f'{{{axis}}}' for axis in self.axes)])}.log"
        meta = entry.get("meta", {})
        self.gpus = int(self._pattern(str(meta.get("gpus", 0))))
        self.all_cores = meta.get("cores") == "all"

    def _pattern(self, text: str) -> str:
        def replace(match: re.Match[str]) -> str:
            item, _, axis = match[1].partition(".")
            if item == "item":
                if axis not in self.axes:
                    raise ValueError(f"dvc.yaml: {self.name}: no axis {axis!r} for {match[0]}")
                return "{" + axis + "}"
            return str(_lookup(match[1], self._values))

        return TEMPLATE.sub(replace, text)

    def cells(self) -> list[dict[str, str]]:
        """All combinations of the matrix, as wildcard values."""
        return [
            dict(zip(self.axes, values, strict=True))
            for values in itertools.product(*self.axes.values())
        ]

    def constraints(self) -> dict[str, str]:
        """Regular expressions of the wildcards: the values of the matrix, or what never matches."""
        return {
            axis: "|".join(re.escape(value) for value in values) or NOTHING
            for axis, values in self.axes.items()
        }

    def all_outputs(self) -> list[str]:
        """Outputs of all cells."""
        return [path.format(**cell) for cell in self.cells() for path in self.outputs]

    def command(self, wildcards: Any) -> str:
        """The command of one cell."""
        return self._pattern(self._entry["cmd"]).format(**_as_dict(wildcards))

    def tracked(self, wildcards: Any) -> dict[str, Any]:
        """Values of the parameters that the stage tracks, by dotted key."""
        cell = _as_dict(wildcards)
        keys = [self._pattern(key).format(**cell) for key in self._entry.get("params", [])]
        return {key: _lookup(key, self._values) for key in keys}

    def inputs(self, wildcards: Any) -> list[str]:
        """Inputs of one cell, before folders are replaced by their files."""
        return [path.format(**_as_dict(wildcards)) for path in self._inputs]


class Pipeline:
    """All stages of dvc.yaml under the values of params.yaml."""

    def __init__(self, root: Path) -> None:
        entries = yaml.safe_load((root / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
        self._values = yaml.safe_load((root / "params.yaml").read_text(encoding="utf-8"))
        self._root = root
        self._stages = {name: Stage(name, entry, self._values) for name, entry in entries.items()}
        self.device: str = self._values["compute"]["device"]
        self._made = [path for stage in self._stages.values() for path in stage.all_outputs()]

    def __getitem__(self, name: str) -> Stage:
        return self._stages[name]

    def __iter__(self):
        return iter(self._stages.values())

    def inputs(self, name: str) -> Callable[[Any], list[str]]:
        """Input function of a rule: folders become the outputs in them, or their source files."""
        return lambda wildcards: [
            path for entry in self._stages[name].inputs(wildcards) for path in self._expand(entry)
        ]

    @cached_property
    def _read(self) -> dict[str, set[str]]:
        """Inputs of all cells of each stage."""
        return {
            stage.name: {path for cell in stage.cells() for path in self.inputs(stage.name)(cell)}
            for stage in self
        }

    def threads(self, stage: Stage) -> int:
        """Threads of a job: a process for each of its GPUs has `compute.threads`.

        Snakemake lowers them to the cores that it was given.
        """
        if stage.all_cores:
            return os.cpu_count() or 1
        return self._values["compute"]["threads"] * max(stage.gpus, 1)

    def waiting(self, stage: Stage) -> int:
        """Length of the longest chain of stages that depend on a stage: its priority."""
        made = set(stage.all_outputs())
        return max(
            (1 + self.waiting(other) for other in self if made & self._read[other.name]), default=0
        )

    def gpus(self, stage: Stage) -> int:
        """GPUs of a job."""
        return stage.gpus if self.device == "cuda" else 0

    def _expand(self, entry: str) -> list[str]:
        if entry in self._made:
            return [entry]
        inside = [path for path in self._made if path.startswith(f"{entry}/")]
        if inside:
            return inside
        folder = self._root / entry
        if folder.is_dir():
            return sorted(
                path.relative_to(self._root).as_posix()
                if path.is_relative_to(self._root)
                else str(path)
                for path in folder.rglob("*")
                if path.is_file() and "__pycache__" not in path.parts
            )
        return [entry]


def _resolve(spec: Any, values: dict[str, Any]) -> list[Any]:
    if isinstance(spec, str) and (match := TEMPLATE.fullmatch(spec)):
        return _lookup(match[1], values)
    if isinstance(spec, list):
        return spec
    raise ValueError(f"dvc.yaml: a matrix axis must be a list or ${{key}}, not {spec!r}")


def _lookup(key: str, values: Any) -> Any:
    for part in key.split("."):
        if not isinstance(values, dict) or part not in values:
            raise KeyError(f"params.yaml has no {key!r}, which dvc.yaml reads")
        values = values[part]
    return values


def _as_dict(wildcards: Any) -> dict[str, str]:
    return wildcards if isinstance(wildcards, dict) else dict(wildcards.items())
