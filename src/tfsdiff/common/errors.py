"""The exception for mistakes that a user can correct, and the exit codes of processes."""

import sys
from collections.abc import Callable
from types import TracebackType

# Modules that an installation of the core lacks, by the extra that brings them.
EXTRAS = {
    "atlas": ("filelock", "httpx", "platformdirs", "tenacity"),
    "phantom": ("nibabel", "nilearn"),
    "pipeline": ("dvclive", "hydra", "matplotlib", "omegaconf", "pandas", "scmrepo"),
}


class InputError(Exception):
    """Input from outside is wrong; the message is one line and says how to correct it.

    Entry points (stages and commands) print the message without a traceback and exit with code 1.
    """


class Stopped(Exception):  # noqa: N818 (not an error)
    """The system asked the process to end (SIGTERM), and what was done so far is saved."""


def exit_code(action: Callable[[], None]) -> int:
    """Run `action`: 0 when it ends well, 1 after an `InputError` or where a package is missing.

    As in shells, 130 after an interrupt and 143 after SIGTERM: the work is unfinished, and no
    pipeline may take it for done.
    """
    try:
        action()
    except InputError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    except ModuleNotFoundError as error:
        line = missing_extra(error)
        if line is None:
            raise
        sys.stderr.write(f"error: {line}\n")
        return 1
    except KeyboardInterrupt as interrupt:
        sys.stderr.write(f"{str(interrupt) or 'interrupted'}\n")
        return 130
    except Stopped as stop:
        sys.stderr.write(f"{stop}\n")
        return 143
    return 0


def missing_extra(error: BaseException) -> str | None:
    """Say which extra brings the module that `error` misses; None if no extra does."""
    name = (getattr(error, "name", None) or "").partition(".")[0]
    for extra, modules in EXTRAS.items():
        if isinstance(error, ModuleNotFoundError) and name in modules:
            return f"{name} is not installed; run pip install 'tfsdiff[{extra}]'"
    return None


def report_missing_extra(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """As `sys.excepthook`: one line where a module of an extra is missing, else the traceback."""
    line = missing_extra(error)
    if line is None:
        sys.__excepthook__(kind, error, trace)
    else:
        sys.stderr.write(f"error: {line}\n")
