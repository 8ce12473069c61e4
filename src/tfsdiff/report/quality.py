"""Quality against evaluations of the network: scores of each sampler, and how few suffice."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tfsdiff.common.files import replacing
from tfsdiff.evaluation.scores import AGAINST, Summary
from tfsdiff.metrics.registry import METRICS

TOLERANCE_DB = 0.1  # of PSNR, below the full chain


@dataclass(frozen=True)
class Point:
    """Scores of one sampler at one number of evaluations."""

    sampler: str
    evaluations: int
    summary: Summary

    def truth(self, metric: str) -> float | None:
        """Mean score against the truth, None where it could not be computed."""
        found = self.summary.truth[metric]
        return None if found is None else found.mean


def write_points(path: Path, points: Sequence[Point]) -> None:
    """Write mean scores as CSV: one line a sampler, number of evaluations and reference."""
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["sampler", "evaluations", "against", "images", *METRICS])
        for point in sorted(points, key=lambda one: (one.sampler, one.evaluations)):
            for against in AGAINST:
                found = getattr(point.summary, against).values()
                means = ["" if one is None else f"{one.mean:.6g}" for one in found]
                head = [point.sampler, point.evaluations, against, point.summary.images]
                writer.writerow([*head, *means])


def fewest(points: Sequence[Point], full: Point) -> dict[str, Point | None]:
    """The fewest evaluations at which each sampler's PSNR is no more than 0.1 dB below `full`'s.

    None for a sampler that never comes so near.
    """
    least = full.truth("PSNR") - TOLERANCE_DB
    found: dict[str, Point | None] = {point.sampler: None for point in points}
    for point in sorted(points, key=lambda one: one.evaluations):
        if found[point.sampler] is None and point.truth("PSNR") >= least:
            found[point.sampler] = point
    return found


def sentence(title: str, points: Sequence[Point], full: Point) -> str:
    """One line for the terminal: what the full chain reaches, and how few evaluations suffice."""
    parts = [
        f"{sampler} {point.evaluations} ({point.truth('PSNR'):.2f} dB)"
        if point
        else f"{sampler} none of these"
        for sampler, point in fewest(points, full).items()
    ]
    return (
        f"{title}: full chain ({full.evaluations} evaluations) {full.truth('PSNR'):.2f} dB; "
        f"no more than {TOLERANCE_DB} dB below from: {', '.join(parts)}"
    )
