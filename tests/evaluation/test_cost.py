from tfsdiff.evaluation.cost import Costs, cascade

SR3 = Costs(97_800_000, 3 * 10**12, 12.34, 900_000_000)
BICUBIC = Costs(0, None, 0.0004, 300_000_000)
CTSR = Costs(32_768, None, 1.506, 393_600_000)
CDDFUSE = Costs(1_186_000, 359_900_000_000, 0.5, 1_210_000_000)


def test_cascade_is_the_sum_but_for_memory():
    assert cascade(SR3, CDDFUSE) == Costs(98_986_000, 3_359_900_000_000, 12.84, 1_210_000_000)


def test_cascade_has_the_operations_of_the_one_that_has_a_network():
    assert cascade(SR3, CTSR).operations == SR3.operations
    assert cascade(BICUBIC, CTSR).operations is None


def test_memory_that_was_not_measured_stays_empty():
    unknown = Costs(0, None, 1.0, None)
    assert cascade(unknown, unknown).memory is None
    assert cascade(unknown, CTSR).memory == CTSR.memory
