import csv
import io

import pytest

from leaks import neighbours, random_and_blocks
from tfsdiff.evaluation.leakage import ComputedGroups, Leak
from tfsdiff.report.leakage_table import COLUMNS, document, to_neighbours
from tfsdiff.report.render import to_markdown


@pytest.fixture
def leaks():
    return random_and_blocks()


def test_csv_has_a_line_a_group(leaks):
    lines = list(csv.DictReader(io.StringIO(to_neighbours(leaks))))
    assert tuple(lines[0]) == COLUMNS
    assert [line["rule"] for line in lines] == ["random"] * 5 + ["blocks"] * 3
    assert list(lines[1].values()) == [
        "random", "test", "g1", "p", "1", "g101", "q", "101", "0.9000", "yes",
    ]  # fmt: skip
    assert list(lines[6].values())[5:] == ["", "", "", "", "no"]


def test_markdown_has_a_line_a_part(leaks):
    leaks.append(Leak("patient", "test", neighbours(None)))
    lines = to_markdown(document(leaks, "Caption.")).splitlines()
    assert lines[0] == "Caption."
    grid = [line for line in lines if line.startswith("|")]
    assert len({line.count("|") for line in grid}) == 1
    assert grid[2:] == [
        "| random, as published | test | 5 | 0.852 | 0.910 | 0.990 | 60% | 40% | 100% |",
        "| blocks of slices, for want of patients | test | 3 (2 compared) | 0.775 | 0.775 | 0.950 "
        "| 50% | 0% | 0% |",
        "| by patient | test | 1 (0 compared) | – | – | – | – | – | 100% |",
    ]


def test_markdown_says_what_computed_groups_are_made_of(leaks):
    def remark(*about):
        return to_markdown(document(leaks, "Caption.", ComputedGroups(*about))).splitlines()[-1]

    assert remark(0, (), "patient") == "There are no computed groups."
    assert remark(7, ("1", "30"), "patient").endswith("in another part. Patients: 1, 30.")
