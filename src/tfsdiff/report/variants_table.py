"""The effect of settings of a fuser, with the same weights."""

from collections.abc import Sequence
from dataclasses import dataclass

from tfsdiff.evaluation.scores import Summary
from tfsdiff.metrics.registry import METRICS
from tfsdiff.report.labels import method_label
from tfsdiff.report.ranking import head, printed
from tfsdiff.report.render import EMPTY, Cell, Document, Grid, to_csv

SHOWN = ("PSNR", "SSIM", "VIF", "LPIPS", "AG")
HEADS = ("Method", "Variant", "Settings", "PSNR to the first line [dB]")


@dataclass(frozen=True)
class Line:
    """One fuser under one change of its settings.

    Attributes:
        fuser: its name.
        name: of the change.
        settings: the change as text; empty for none.
        agreement: mean PSNR in dB to the images without the change; None for these themselves.
        summary: scores of its images.
    """

    fuser: str
    name: str
    settings: str
    agreement: float | None
    summary: Summary


def document(lines: Sequence[Line], caption: str) -> Document:
    """Lay out a line a variant; scores are against the ground truth, AG is of the image alone."""
    heads = (*HEADS, *map(head, SHOWN))
    return Document(caption, (Grid(heads, tuple(map(_line, lines)), texts=3),))


def to_numbers(lines: Sequence[Line]) -> str:
    """Write as CSV, with the scores against sources and truth."""
    rows = []
    for one in lines:
        agreement = None if one.agreement is None else f"{one.agreement:.6g}"
        for against in ("truth", "sources"):
            means = getattr(one.summary, against).values()
            rows.append([one.fuser, one.name, one.settings, agreement, against, *means])
    return to_csv(["fuser", "variant", "settings", "agreement", "against", *METRICS], rows)


def _line(one: Line) -> tuple[Cell, ...]:
    agreement = "" if one.agreement is None else printed(one.agreement, 1)
    settings = Cell(one.settings, "code") if one.settings else Cell("")
    scores = (Cell(_score(one.summary, name)) for name in SHOWN)
    return Cell(method_label(one.fuser)), Cell(one.name), settings, Cell(agreement), *scores


def _score(summary: Summary, name: str) -> str:
    value = summary.truth[name]
    if value is None:
        value = summary.sources[name]
    return EMPTY if value is None else printed(value, METRICS[name].decimals)
