"""What the methods cost: parameters, operations, seconds and memory."""

import math
from collections.abc import Mapping, Sequence

from tfsdiff.evaluation.cost import Costs
from tfsdiff.report.render import EMPTY, Cell, Document, Grid, Rule, to_csv

HEADS = ("Method", "Parameters", "Operations", "Seconds", "Peak memory")
COMPONENTS = "Members of the cascades"
PREFIXES = ("", "k", "M", "G", "T", "P", "E")
PARAMETERS = "Parameters: what was learned, the weights of networks or a dictionary."
OPERATIONS = (
    "Operations: matrix products, convolutions and attention in all evaluations of the networks, "
    "two a multiplication and addition; – where a method has no network, whose work is not counted."
)
SECONDS = {
    "processor": "Seconds: of the processor, the shortest of {repeats} after one to warm up.",
    "clock": "Seconds: by the clock, the shortest of {repeats} after one to warm up.",
}
MEMORY = {
    "cpu": "Peak memory: the largest resident size of a process that does nothing else, while it "
    "fuses; Python, PyTorch and what else the method loads are in it.",
    "cuda": "Peak memory: the most that all tensors took on the GPU while it fused; – where a "
    "method computes on the CPU.",
}
CASCADES = (
    "A cascade is the sum of its members, but for memory: they run one after the other, and the "
    "larger one counts. An enlarger enlarges the three sources of a group one by one."
)


def notes(device: str, threads: int, repeats: int) -> tuple[str, ...]:
    """Explain the numbers measured on `device` with `threads` threads."""
    single = device == "cpu" and threads == 1
    seconds = SECONDS["processor" if single else "clock"].format(repeats=repeats)
    return PARAMETERS, OPERATIONS, seconds, MEMORY[device], CASCADES


def document(
    caption: str,
    methods: Mapping[str, Costs],
    components: Mapping[str, Costs],
    remarks: Sequence[str],
) -> Document:
    """Lay out the costs of methods, and below them those of the components of cascades.

    Args:
        caption: what was measured, and where.
        methods: by their names for readers.
        components: likewise, of the cascades.
        remarks: what the numbers mean.
    """
    rows = [
        *(_line(name, cost) for name, cost in methods.items()),
        Rule(COMPONENTS),
        *(_line(name, cost) for name, cost in components.items()),
    ]
    return Document(caption, (Grid(HEADS, tuple(rows)),), remarks=tuple(remarks))


def to_numbers(costs: Mapping[str, Costs], timings: bool) -> str:
    """Write as CSV what every run reproduces and, where wanted, `timings`, which vary.

    Args:
        costs: by name of the row.
        timings: whether to write seconds and bytes beside parameters and operations.
    """
    heads = ["row", "parameters", "operations"]
    rows = [[name, cost.parameters, cost.operations] for name, cost in costs.items()]
    if timings:
        heads += ["seconds", "peak_bytes"]
        for row, cost in zip(rows, costs.values(), strict=True):
            row += [f"{cost.seconds:.4g}", cost.memory]
    return to_csv(heads, rows)


def _line(name: str, cost: Costs) -> tuple[Cell, ...]:
    return (
        Cell(name),
        Cell(quantity(cost.parameters, "")),
        Cell(EMPTY if cost.operations is None else quantity(cost.operations, "FLOP")),
        Cell(duration(cost.seconds)),
        Cell(EMPTY if cost.memory is None else quantity(cost.memory, "B")),
    )


def quantity(value: int, unit: str) -> str:
    """Three digits, with a prefix of the SI: 1.19 M, 360 GFLOP, 394 MB."""
    exponent = math.floor(math.log10(float(f"{value:.2e}"))) if value else 0
    place = min(exponent // 3, len(PREFIXES) - 1)
    if place == 0:
        return f"{value} {unit}".strip()
    text = f"{value / 1000**place:.{max(0, 2 - (exponent - 3 * place))}f}"
    return f"{text} {PREFIXES[place]}{unit}"


def duration(seconds: float) -> str:
    """Three digits of seconds, or of milliseconds below one second; below 1 ms only that."""
    if seconds < 1e-3:
        return "under 1 ms"
    value, unit = (seconds, "s") if seconds >= 0.9995 else (1e3 * seconds, "ms")
    exponent = math.floor(math.log10(float(f"{value:.2e}")))
    return f"{value:.{max(0, 2 - exponent)}f} {unit}"
