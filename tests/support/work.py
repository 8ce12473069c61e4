"""What test workers compute: a process that is started anew finds it by the name of this module."""

import os
import signal
import time

from tfsdiff.common.errors import InputError


def start() -> None:
    os.environ["WORKER_STARTED"] = "yes"


def square(number: int) -> int:
    assert os.environ["WORKER_STARTED"] == "yes"
    return number * number


def refuse(number: int) -> int:
    if number == 2:
        raise InputError("number 2 is wrong")
    return number


def die(number: int) -> None:
    if number == 2:
        os.kill(os.getpid(), signal.SIGKILL)


def ask_parent_to_end(number: int) -> int:
    """The first call asks; the others take so long that most are never begun."""
    if number == 0:
        os.kill(os.getppid(), signal.SIGTERM)
    time.sleep(0.2)
    return number
