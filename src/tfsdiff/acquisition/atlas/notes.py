"""The files beside the manifest that record decisions, reproducible byte for byte."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence

from tfsdiff.acquisition.atlas.collect import Collected
from tfsdiff.acquisition.atlas.decisions import Decision
from tfsdiff.acquisition.atlas.grouping import Identity
from tfsdiff.acquisition.atlas.registry import Case, Series


def series_table(
    cases: Iterable[Case], found: Collected, identities: Mapping[Series, Identity]
) -> str:
    """CSV of all series: modality, its origin and confidence, and the slices obtained."""
    rows = []
    for series in (one for case in cases for one in case.series):
        numbers = sorted(found.numbers(series))
        identity = identities.get(series, Identity("", 0.0, ""))
        span = [f"{numbers[0]:03d}", f"{numbers[-1]:03d}"] if numbers else ["", ""]
        sure = f"{identity.confidence:.3f}" if identity.modality else ""
        identified = [identity.modality, identity.origin, sure, identity.measures]
        rows.append([series.case, series.name, *identified, len(numbers), *span])
    names = ["case", "series", "modality", "origin", "confidence", "measures"]
    return _csv([*names, "slices", "first", "last"], rows)


def candidates_table(decisions: Iterable[Decision], chosen: set[str]) -> str:
    """CSV of all possible groups: chosen, left or rejected, why, and the measures."""
    rows = []
    for decision in decisions:
        group = decision.candidate.group
        outcome = "chosen" if group.group in chosen else "rejected" if decision.reason else "left"
        measures = "; ".join(f"{one.check} {one.value:.3g}" for one in decision.findings)
        name = [group.group, group.combination, group.patient, f"{group.slice:03d}"]
        rows.append([*name, outcome, decision.reason, measures])
    names = ["group", "combination", "patient", "slice", "decision", "reason", "measures"]
    return _csv(names, rows)


def missing_table(found: Collected) -> str:
    """CSV of the files that could not be fetched."""
    rows = [[one.series.path(one.number), one.kind] for one in found.missing]
    return _csv(["path", "why"], rows)


def _csv(names: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(rows)
    return stream.getvalue()
