"""Quality against evaluations of the network: scores of each sampler, and how few suffice."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from tfsdiff.common.files import replacing
from tfsdiff.evaluation.scores import AGAINST, Summary

TOLERANCE_DB = 0.1  # of PSNR, below the full chain


@dataclass(frozen=True)
class Point:
    """Scores of one sampler at one number of evaluations."""

    sampler: str
    evaluations: int
    summary: Summary

    @property
    def psnr(self) -> float:
        """Mean PSNR against the truth, in dB."""
        return self.summary.truth["PSNR"]


def write_points(path: Path, points: Sequence[Point]) -> None:
    """Write mean scores as CSV: one line a sampler, number of evaluations and reference."""
    lines = [
        {
            "sampler": point.sampler,
            "evaluations": point.evaluations,
            "against": against,
            "images": point.summary.images,
            **getattr(point.summary, against),
        }
        for point in sorted(points, key=lambda one: (one.sampler, one.evaluations))
        for against in AGAINST
    ]
    with replacing(path) as temporary:
        pd.DataFrame(lines).to_csv(temporary, index=False, lineterminator="\n", float_format="%.6g")


def fewest(points: Sequence[Point], full: Point) -> dict[str, Point | None]:
    """The fewest evaluations at which each sampler's PSNR is no more than 0.1 dB below `full`'s.

    None for a sampler that never comes so close.
    """
    found: dict[str, Point | None] = {point.sampler: None for point in points}
    for point in sorted(points, key=lambda one: one.evaluations):
        if found[point.sampler] is None and point.psnr >= full.psnr - TOLERANCE_DB:
            found[point.sampler] = point
    return found


def conclusion(title: str, points: Sequence[Point], full: Point) -> str:
    """One line for the terminal: what the full chain reaches, and how few evaluations suffice."""
    parts = [
        f"{sampler} {point.evaluations} ({point.psnr:.2f} dB)"
        if point
        else f"{sampler} none of these"
        for sampler, point in fewest(points, full).items()
    ]
    return (
        f"{title}: full chain ({full.evaluations} evaluations) {full.psnr:.2f} dB; "
        f"no more than {TOLERANCE_DB} dB below from: {', '.join(parts)}"
    )
