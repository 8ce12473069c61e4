"""The command `tfsdiff`: fuse, score, import weights, download the atlas.

Exit codes: 0 done; 1 an input or a value is wrong (one line on stderr); 2 the command line cannot
be understood; 130 interrupted.
"""

import argparse
from collections.abc import Callable, Sequence
from typing import Any

import tfsdiff
from tfsdiff.cli import atlas, fuse, import_weights, score
from tfsdiff.common.errors import exit_code

COMMANDS = {"fuse": fuse, "score": score, "import-weights": import_weights, "atlas": atlas}


class Command(argparse.ArgumentParser):
    """Parser of one command, whose help ends with what `tail` returns.

    `tail` is called only when help is requested: it lists the methods, and importing all of them,
    with numba, is slow.
    """

    def __init__(self, *, tail: Callable[[], str], **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)
        self._tail = tail

    def format_help(self) -> str:
        """The help, its end included."""
        self.epilog = self._tail()
        return super().format_help()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv` (default: that of the process) and return the exit code."""

    def action() -> None:
        arguments = parser().parse_args(argv)
        arguments.run(arguments)

    try:
        return exit_code(action)
    except SystemExit as end:  # of argparse: 0 after --help, 2 for usage
        return int(end.code or 0)


def parser() -> argparse.ArgumentParser:
    """Build the parser of the command and its subcommands."""
    top = argparse.ArgumentParser(
        prog="tfsdiff",
        description="Fuse three registered medical images, and score the result. "
        "Research software: not for clinical use.",
    )
    top.add_argument("--version", action="version", version=tfsdiff.__version__)
    commands = top.add_subparsers(
        title="commands", metavar="COMMAND", required=True, parser_class=Command
    )
    for name, module in COMMANDS.items():
        command = commands.add_parser(
            name, help=module.SUMMARY, description=module.SUMMARY, tail=module.epilog
        )
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return top
