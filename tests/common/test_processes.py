"""Worker processes: results in any order, and one clear line when one of them fails."""

import multiprocessing

import pytest

import work
from tfsdiff.common.errors import InputError, Stopped
from tfsdiff.common.processes import compute_each, usable_cpus


def run(function, count, workers=2):
    return list(compute_each(function, range(count), workers, work.start, "squares"))


def test_results_are_those_of_all_items():
    assert sorted(run(work.square, 5)) == [0, 1, 4, 9, 16]
    assert run(work.square, 0) == []
    assert usable_cpus() >= 1


def test_the_error_of_a_worker_comes_through():
    with pytest.raises(InputError, match=r"^number 2 is wrong$"):
        run(work.refuse, 4)
    assert not multiprocessing.active_children()


def test_a_killed_worker_is_one_line():
    with pytest.raises(InputError, match=r"^squares: a worker process was killed.*run again"):
        run(work.die, 4)


def test_asked_to_end_it_finishes_what_it_computes():
    made = []
    numbers = compute_each(work.ask_parent_to_end, range(40), 1, work.start, "squares")
    with pytest.raises(Stopped, match="squares: ended on request"):
        made.extend(numbers)
    assert 0 < len(made) < 20
    assert not multiprocessing.active_children()
