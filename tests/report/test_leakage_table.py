import csv
import io

import pytest

from tfsdiff.data.slices import Group
from tfsdiff.evaluation.leakage import Leak, Neighbour
from tfsdiff.report.leakage_table import COLUMNS, document, to_neighbours
from tfsdiff.report.render import to_markdown

COMBINATION = "CT_MR-T2_SPECT-Tc"


def group(number, patient="p"):
    return Group(f"g{number}", COMBINATION, patient, number, *COMBINATION.split("_"))


def neighbours(*values, seen=True):
    """One a similarity, None where nothing is comparable."""
    return tuple(
        Neighbour(group(i), None if value is None else group(100 + i, "q"), value, seen)
        for i, value in enumerate(values)
    )


@pytest.fixture
def leaks():
    return [
        Leak("random", "test", neighbours(0.99, 0.9, 0.96, 0.91, 0.5)),
        Leak("blocks", "test", neighbours(0.6, None, 0.95, seen=False)),
    ]


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
