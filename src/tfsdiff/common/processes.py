"""Worker processes that compute the items of a list, one item at a time."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from tfsdiff.common.errors import InputError
from tfsdiff.common.signals import requests

Item = TypeVar("Item")
Result = TypeVar("Result")


def usable_cpus() -> int:
    """Number of processors that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def compute_each(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    workers: int,
    start: Callable[[], None],
    title: str,
) -> Iterator[Result]:
    """Give the results of `function` for all items, in the order in which they are ready.

    The workers are started anew, not copied from this process, and end with it, however it ends.

    Args:
        function: can be pickled, as can items, results, and what it raises.
        items: what it is called with.
        workers: most processes, at least 1.
        start: called in each worker before anything else.
        title: what is computed, for the message of an error.

    Raises:
        InputError: a worker was killed; or what `function` raises first.
        Stopped, KeyboardInterrupt: a signal asked to end, after what was being computed then.
    """
    if not items:
        return
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(min(workers, len(items)), context, _start, (start,))
    with requests() as request, pool:
        try:
            waiting = {pool.submit(function, item) for item in items}
            while waiting:
                done, waiting = wait(waiting, timeout=1, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
                if request:
                    request.obey(f"{title}: ended on request; run again to go on")
        except BrokenProcessPool:
            raise InputError(
                f"{title}: a worker process was killed, as happens where memory is short; free "
                "some, or allow fewer processors (taskset); run again to go on"
            ) from None
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _start(start: Callable[[], None]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # comes to all; the parent ends its workers
    threading.Thread(target=_end_with_parent, daemon=True).start()
    start()


def _end_with_parent() -> None:
    multiprocessing.parent_process().join()
    os._exit(1)
