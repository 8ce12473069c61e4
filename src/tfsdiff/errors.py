"""The one exception that means "the user can mend this", and how a process ends on it."""

import sys
from collections.abc import Callable


class InputError(Exception):
    """Something given from outside is wrong: the message is one line and names the cure.

    Entry points (stages and commands) print the message without a traceback and exit with code 1.
    """


def exit_code(action: Callable[[], None]) -> int:
    """Run `action`: 0 when it ends well, 1 after an `InputError`, 130 after an interrupt."""
    try:
        action()
    except InputError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return 130
    return 0
