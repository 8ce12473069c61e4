"""The table of variants: what a choice in a fuser's settings changes, with the same weights."""

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

from tfsdiff.evaluation.scores import Summary
from tfsdiff.metrics.registry import METRICS
from tfsdiff.report.labels import label
from tfsdiff.report.markup import ARROWS, markdown_text
from tfsdiff.report.tables import DECIMALS

SHOWN = ("PSNR", "SSIM", "VIF", "LPIPS", "AG")
DEFAULT = "as set"


@dataclass(frozen=True)
class Variant:
    """One fuser under one change of its settings.

    Attributes:
        fuser: its name.
        name: of the change, `DEFAULT` for none.
        settings: the change as text.
        agreement: mean PSNR in dB to the images without the change; None for these themselves.
        summary: scores of its images.
    """

    fuser: str
    name: str
    settings: str
    agreement: float | None
    summary: Summary


def markdown(variants: Sequence[Variant], caption: str) -> str:
    """Render as GitHub Markdown; scores are against the ground truth, AG is of the image alone."""
    heads = [f"{name} {ARROWS[METRICS[name].better]}" for name in SHOWN]
    rows = [
        ["Method", "Variant", "Settings", "PSNR to the first line [dB]", *heads],
        ["---", "---", "---", *["---:"] * (1 + len(SHOWN))],
    ]
    for one in variants:
        agreement = "" if one.agreement is None else _number(one.agreement, 1)
        scores = [_score(one.summary, name) for name in SHOWN]
        texts = [label(one.fuser), one.name]
        settings = f"`{one.settings}`" if one.settings else ""
        rows.append([*map(markdown_text, texts), settings, agreement, *scores])
    grid = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return f"{markdown_text(caption)}\n\n{grid}\n"


def bare(variants: Sequence[Variant]) -> str:
    """Render as CSV, with the scores against sources and truth."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["fuser", "variant", "settings", "agreement", "against", *METRICS])
    for one in variants:
        agreement = "" if one.agreement is None else f"{one.agreement:.6g}"
        for against in ("truth", "sources"):
            found = getattr(one.summary, against)
            means = ["" if found[n] is None else found[n].mean for n in METRICS]
            writer.writerow([one.fuser, one.name, one.settings, agreement, against, *means])
    return file.getvalue()


def _score(summary: Summary, name: str) -> str:
    found = summary.truth[name] or summary.sources[name]
    return "–" if found is None else _number(found.mean, DECIMALS[name])


def _number(value: float, decimals: int) -> str:
    return f"{value:.{decimals}f}" if math.isfinite(value) else "∞"
