"""The one exception that means "the user can mend this"."""


class InputError(Exception):
    """Something given from outside is wrong: the message is one line and names the cure.

    Entry points (stages and commands) print the message without a traceback and exit with code 1.
    """
