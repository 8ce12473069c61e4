"""The command line of a stage, derived from its signature; user errors exit with code 1."""

import argparse
import inspect
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from tfsdiff import params
from tfsdiff.common.errors import exit_code
from tfsdiff.core import backend


def run(stage: Callable[..., None], arguments: Sequence[str] | None = None) -> None:
    """Call `stage` with flags named as its keyword arguments, then exit the process.

    The first parameter of `stage` is its frozen section of parameters, read from the file that
    `--params` names; every other one is keyword-only and typed `Path`, `str` or `int`.
    """
    sys.exit(execute(stage, arguments))


def execute(stage: Callable[..., None], arguments: Sequence[str] | None = None) -> int:
    """Like `run`, but return the exit code."""
    given = vars(parser_of(stage).parse_args(arguments))
    section = next(iter(inspect.signature(stage).parameters.values())).annotation

    def action() -> None:
        values = params.load(given.pop("params"), section)
        if "compute" in section.model_fields:
            backend.make(values.compute)
        stage(values, **given)

    return exit_code(action)


def parser_of(stage: Callable[..., None]) -> argparse.ArgumentParser:
    """Build the parser of `stage`: one required flag for each keyword-only argument."""
    module = inspect.getmodule(stage)
    parser = argparse.ArgumentParser(
        prog=f"python -m tfsdiff.stages.{stage.__name__}", description=module.__doc__
    )
    for name, parameter in list(inspect.signature(stage).parameters.items())[1:]:
        parser.add_argument(f"--{name.replace('_', '-')}", type=parameter.annotation, required=True)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    return parser
