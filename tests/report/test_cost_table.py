import pytest

from tfsdiff.evaluation.cost import Costs
from tfsdiff.report.cost_table import document, duration, quantity, to_numbers
from tfsdiff.report.render import to_markdown

SR3 = Costs(97_800_000, 3 * 10**12, 12.34, 900_000_000)
BICUBIC = Costs(0, None, 0.0004, 300_000_000)
CTSR = Costs(32_768, None, 1.506, 393_600_000)


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
    again = Costs(SR3.parameters, SR3.operations, 99.0, 1)
    text = to_numbers({"sr3": SR3, "ctsr-full": CTSR}, timings=False)
    assert text == to_numbers({"sr3": again, "ctsr-full": CTSR}, timings=False)
    assert text == "row,parameters,operations\nsr3,97800000,3000000000000\nctsr-full,32768,\n"


def test_other_csv_has_all():
    unknown = Costs(1, 2, 0.12345, None)
    assert to_numbers({"ctsr-full": CTSR, "a": unknown}, timings=True) == (
        "row,parameters,operations,seconds,peak_bytes\n"
        "ctsr-full,32768,,1.506,393600000\na,1,2,0.1235,\n"
    )


def test_markdown():
    members = {"SR3, three sources": SR3, "bicubic": BICUBIC, "CTSR, full resolution": CTSR}
    both = Costs(97_832_768, 3 * 10**12, 13.846, 900_000_000)
    text = document("At scale ×4 | one.", {"SR3 + CTSR": both}, members, ["First note.", "Second."])
    assert to_markdown(text) == (
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
