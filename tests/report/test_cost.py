import pytest

from tfsdiff.report.cost import Row, cascade, duration, everything, markdown, quantity, repeatable

SR3 = Row("sr3", 97_800_000, 3 * 10**12, 12.34, 900_000_000)
BICUBIC = Row("bicubic", 0, None, 0.0004, 300_000_000)
CTSR = Row("ctsr-full", 32_768, None, 1.506, 393_600_000)
CDDFUSE = Row("cddfuse-full", 1_186_000, 359_900_000_000, 0.5, 1_210_000_000)


def test_cascade_is_the_sum_but_for_memory():
    found = cascade(SR3, CDDFUSE, "cddfuse")
    assert found == Row("cddfuse-sr3", 98_986_000, 3_359_900_000_000, 12.84, 1_210_000_000)


def test_cascade_has_the_operations_of_the_member_that_has_a_network():
    assert cascade(SR3, CTSR, "ctsr").operations == SR3.operations
    assert cascade(BICUBIC, CTSR, "ctsr").operations is None


def test_memory_that_was_not_measured_stays_empty():
    first, second = (Row("a", 0, None, 1.0, None) for _ in "ab")
    assert cascade(first, second, "b").memory is None
    assert cascade(first, CTSR, "ctsr").memory == CTSR.memory


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0, "", "0"), (512, "", "512"), (32_768, "", "32.8 k"), (1_186_000, "", "1.19 M"),
        (999_600, "", "1.00 M"), (97_800_000, "", "97.8 M"), (359_900_000_000, "FLOP", "360 GFLOP"),
        (5 * 10**14, "FLOP", "500 TFLOP"), (393_600_000, "B", "394 MB"), (999, "B", "999 B"),
        (3 * 10**21, "FLOP", "3000 EFLOP"),
    ],
)  # fmt: skip
def test_quantities_have_three_digits(value, unit, text):
    assert quantity(value, unit) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "under 1 ms"), (0.001, "1.00 ms"), (0.0204, "20.4 ms"), (0.9994, "999 ms"),
        (0.9996, "1.00 s"), (1.506, "1.51 s"), (12.34, "12.3 s"), (99.96, "100 s"),
        (4321.4, "4321 s"),
    ],
)  # fmt: skip
def test_durations_have_three_digits(seconds, text):
    assert duration(seconds) == text


def test_tracked_csv_has_nothing_that_differs_from_run_to_run():
    again = Row(SR3.name, SR3.parameters, SR3.operations, 99.0, 1)
    assert repeatable([SR3, CTSR]) == repeatable([again, CTSR])
    assert repeatable([SR3, CTSR]) == (
        "row,parameters,operations\nsr3,97800000,3000000000000\nctsr-full,32768,\n"
    )


def test_other_csv_has_all():
    unknown = Row("a", 1, 2, 0.12345, None)
    assert everything([CTSR, unknown]) == (
        "row,parameters,operations,seconds,peak_bytes\n"
        "ctsr-full,32768,,1.506,393600000\na,1,2,0.1235,\n"
    )


def test_markdown():
    text = markdown(
        "At scale ×4 | one.",
        [cascade(SR3, CTSR, "ctsr")],
        [SR3, BICUBIC, CTSR],
        ["First note.", "Second."],
        {"sr3": "SR3, three sources"},
    )
    assert text == (
        "At scale ×4 \\| one.\n\n"
        "| Method | Parameters | Operations | Seconds | Peak memory |\n"
        "| --- | ---: | ---: | ---: | ---: |\n"
        "| SR3 + CTSR | 97.8 M | 3.00 TFLOP | 13.8 s | 900 MB |\n"
        "| *Members of the cascades* |  |  |  |  |\n"
        "| SR3, three sources | 97.8 M | 3.00 TFLOP | 12.3 s | 900 MB |\n"
        "| bicubic | 0 | – | under 1 ms | 300 MB |\n"
        "| CTSR, full resolution | 32.8 k | – | 1.51 s | 394 MB |\n\n"
        "First note.\n\nSecond.\n"
    )
