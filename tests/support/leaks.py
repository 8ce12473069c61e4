"""What leaks between the subsets of a made split: similarities of neighbouring slices."""

from tfsdiff.data.slices import Group
from tfsdiff.evaluation.leakage import Leak, Neighbour

COMBINATION = "CT_MR-T2_SPECT-Tc"


def group(number, patient="p"):
    return Group(f"g{number}", COMBINATION, patient, number, *COMBINATION.split("_"))


def neighbours(*values, seen=True):
    """One a similarity, None where nothing is comparable."""
    return tuple(
        Neighbour(group(i), None if value is None else group(100 + i, "q"), value, seen)
        for i, value in enumerate(values)
    )


def random_and_blocks():
    """A rule that leaks, and one that does not."""
    return [
        Leak("random", "test", neighbours(0.99, 0.9, 0.96, 0.91, 0.5)),
        Leak("blocks", "test", neighbours(0.6, None, 0.95, seen=False)),
    ]
