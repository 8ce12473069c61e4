"""The command `tfsdiff` for somebody with three images: `fuse`, `score` and `import-weights`.

Exit codes: 0 done; 1 an input or a value is wrong (one line on stderr); 2 the command line cannot
be understood; 130 interrupted.
"""

import argparse
from collections.abc import Sequence

import tfsdiff
from tfsdiff.commands import fuse, import_weights, score
from tfsdiff.errors import exit_code


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
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for module in (fuse, score, import_weights):
        name = module.__name__.rpartition(".")[2].replace("_", "-")
        command = commands.add_parser(
            name,
            help=module.SUMMARY,
            description=module.SUMMARY,
            epilog=module.EPILOG,
            allow_abbrev=False,
        )
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return top
