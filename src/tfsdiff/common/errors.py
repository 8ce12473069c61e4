"""The exception for mistakes that a user can correct, and the exit codes of processes."""

import sys
from collections.abc import Callable


class InputError(Exception):
    """Input from outside is wrong; the message is one line and says how to correct it.

    Entry points (stages and commands) print the message without a traceback and exit with code 1.
    """


class Stopped(Exception):  # noqa: N818 (not an error)
    """The system asked the process to end (SIGTERM), and what was done so far is saved."""


def exit_code(action: Callable[[], None]) -> int:
    """Run `action`: 0 when it ends well, 1 after an `InputError`.

    As in shells, 130 after an interrupt and 143 after SIGTERM: the work is unfinished, and no
    pipeline may take it for done.
    """
    try:
        action()
    except InputError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    except KeyboardInterrupt as interrupt:
        sys.stderr.write(f"{str(interrupt) or 'interrupted'}\n")
        return 130
    except Stopped as stop:
        sys.stderr.write(f"{stop}\n")
        return 143
    return 0
