"""Which files are asked for, and what becomes of a download that stays incomplete."""

import io

import numpy as np
import pytest
from PIL import Image

from tfsdiff.acquisition.atlas.collect import collect, cost, incomplete
from tfsdiff.acquisition.atlas.registry import Case, Series
from tfsdiff.acquisition.atlas.transfer import Changed, Invalid, Refused, Unreachable

PIXELS = 16


def gif(level):
    stream = io.BytesIO()
    Image.fromarray(np.full((PIXELS, PIXELS), level, np.uint8)).save(stream, "GIF")
    return stream.getvalue()


class Server:
    """A store that has the slices `numbers` of each series, and fails where it is told to."""

    known = 0

    def __init__(self, numbers, failures=None):
        self.numbers, self.failures = numbers, failures or {}
        self.offline = False
        self.asked = []

    def get(self, path):
        self.asked.append(path)
        _, _, series, file = path.split("/")
        number = int(file[:3])
        failure = self.failures.get((series, number)) or self.failures.get(series)
        if self.offline:
            raise Unreachable(f"{path}: offline")
        if failure:
            raise failure(f"{path}: failed")
        return gif(number) if number in self.numbers.get(series, ()) else None


def case(**changes):
    modalities = {"ct1": "CT", "mr1": None, "tc1": "SPECT-Tc"}
    series = tuple(
        Series("case5", name, "gif", modality, *changes.get(name, (None, range(0))))
        for name, modality in modalities.items()
    )
    return Case("case5", series, (frozenset(modalities),))


NUMBERS = {"ct1": range(9), "mr1": range(2, 9), "tc1": [3, 4, 6]}


def walk(server, patience=4, cases=None):
    cases = [case()] if cases is None else cases
    return cases, collect(cases, server, PIXELS, patience)


def had(found):
    return {series.name: sorted(images) for series, images in found.slices.items()}


def test_anatomy_is_asked_for_only_beside_function():
    server = Server(NUMBERS)
    _, found = walk(server)
    assert had(found) == {"tc1": [3, 4, 6], "ct1": [3, 4, 6], "mr1": [3, 4, 6]}
    assert len(server.asked) == (6 + 1 + 4) + 3 + 3
    assert server.asked[0] == "cases/case5/tc1/000.gif"
    assert {series.name: found.slices[series][3][0, 0] for series in found.slices} == {
        "tc1": 3, "ct1": 3, "mr1": 3
    }  # fmt: skip


def test_a_documented_range_is_not_probed():
    server = Server(NUMBERS)
    _, found = walk(server, cases=[case(tc1=(range(3, 6), range(0)), mr1=(range(4, 9), range(0)))])
    assert had(found) == {"tc1": [3, 4], "ct1": [3, 4], "mr1": [4]}
    assert len(server.asked) == 3 + 2 + 1


def test_a_series_that_is_not_there_is_left_after_a_few_slices():
    server = Server({"tc1": range(40), "mr1": range(40)})
    cases, found = walk(server)
    assert had(found) == {"tc1": [*range(40)], "mr1": [*range(40)]}
    assert sum("/ct1/" in path for path in server.asked) == 5
    assert cost(cases, found) == (0, 0)
    server = Server({"tc1": range(40), "mr1": range(40), "ct1": range(17, 40)})
    _, found = walk(server)
    assert had(found)["ct1"] == [*range(17, 40)]


def test_a_case_that_cannot_give_a_group_is_not_asked_for():
    (series, *others) = case().series
    server = Server(NUMBERS)
    alone = Case("case5", (series, others[-1]), (frozenset({"ct1", "tc1"}),))
    apart = Case("case5", case().series, (frozenset({"ct1", "tc1"}), frozenset({"mr1", "tc1"})))
    walk(server, cases=[alone, apart])
    assert server.asked == []


def test_slices_known_to_exist_are_asked_for_behind_any_gap():
    server = Server(NUMBERS | {"tc1": [20]})
    walk(server)
    assert len(server.asked) == 4
    server = Server(NUMBERS | {"tc1": [20]})
    _, found = walk(server, cases=[case(tc1=(None, range(18, 21)))])
    assert had(found) == {"tc1": [20]}  # and nothing of the others, which end at 8


@pytest.mark.parametrize("failure", [Unreachable, Invalid])
def test_a_missing_file_costs_its_group_and_no_other(failure):
    cases, found = walk(Server(NUMBERS, {("mr1", 4): failure}))
    assert had(found) == {"tc1": [3, 4, 6], "ct1": [3, 4, 6], "mr1": [3, 6]}
    assert [(one.series.name, one.number) for one in found.missing] == [("mr1", 4)]
    assert cost(cases, found) == (1, 3)
    said = incomplete(cases, found)
    assert said.startswith(
        "1 of 9 files of the atlas could not be fetched, which costs up to 1 of 3"
    )
    assert "cases/case5/mr1/004.gif: failed" in said


def test_a_server_that_refuses_is_left_alone():
    server = Server(NUMBERS, {("ct1", 4): Refused})
    _, found = walk(server)
    assert server.offline
    assert had(found) == {"tc1": [3, 4, 6], "ct1": [3]}
    assert len(found.missing) == 2 + 3


def test_a_server_that_does_not_answer_is_left_alone_after_three_files():
    server = Server(NUMBERS, {"ct1": Unreachable})
    walk(server)
    assert server.offline
    server = Server(NUMBERS, {("ct1", 3): Unreachable, ("ct1", 4): Unreachable})
    walk(server)
    assert not server.offline


def test_probing_ends_where_nothing_answers():
    server = Server(NUMBERS, {"tc1": Unreachable})
    cases, found = walk(server)
    assert len(found.missing) == 4 + 4 + 4
    assert cost(cases, found) == (4, 4)


def test_an_interrupt_says_what_is_kept():
    def interrupted(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match=r"after 4 slices, which the cache keeps; .*status"):
        walk(Server(NUMBERS, {("ct1", 4): interrupted}))


def test_changes_are_an_error_after_all_has_been_asked():
    server = Server(NUMBERS, {("ct1", 3): Changed, ("ct1", 4): Changed})
    with pytest.raises(Changed, match=r"ct1/003\.gif: failed \(and 1 more\)"):
        walk(server)
    assert server.asked[-1] == "cases/case5/mr1/006.gif"
