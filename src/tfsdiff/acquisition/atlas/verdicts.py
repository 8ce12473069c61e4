"""What becomes of every candidate: rejected by the checks, chosen, or left."""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tfsdiff.acquisition.atlas.checks import Finding, examine
from tfsdiff.acquisition.atlas.collect import Collected
from tfsdiff.acquisition.atlas.grouping import Candidate, choose
from tfsdiff.common.errors import InputError
from tfsdiff.common.progress import progress
from tfsdiff.data.images import Pixels
from tfsdiff.data.slices import with_channels
from tfsdiff.params import AtlasData, Checks

LIST = "groups.csv"

Images = tuple[Pixels, Pixels, Pixels]


@dataclass(frozen=True)
class Verdict:
    """What becomes of a candidate: its images, what was measured, and why it is rejected."""

    candidate: Candidate
    images: Images | None
    findings: tuple[Finding, ...]
    reason: str


def judge(possible: Iterable[Candidate], found: Collected, checks: Checks) -> list[Verdict]:
    """Measure every candidate."""
    return [_judge(one, found, checks) for one in progress(possible, "checks")]


def _judge(candidate: Candidate, found: Collected, checks: Checks) -> Verdict:
    group = candidate.group
    try:
        images = tuple(
            with_channels(modality, found.slices[series][group.slice])
            for modality, series in zip(group.modalities, candidate.series, strict=True)
        )
    except ValueError as error:
        return Verdict(candidate, None, (), str(error))
    findings = tuple(examine(images, group.modalities, checks))
    failed = [one for one in findings if not one.passed]
    reason = "; ".join(f"{one.check} is {one.value:.3g}, limit {one.limit:.3g}" for one in failed)
    return Verdict(candidate, images, findings, reason)


def chosen(verdicts: Sequence[Verdict], settings: AtlasData) -> set[str]:
    """Names of the groups that are taken: by the rule, or those of the list.

    Raises:
        InputError: there are none, or the list names one that cannot be taken.
    """
    passed = [verdict.candidate for verdict in verdicts if not verdict.reason]
    if not passed:
        raise InputError(
            f"none of {len(verdicts)} possible groups of the atlas can be taken"
            + (f" (the first: {verdicts[0].reason})" if verdicts else "")
            + "; change data.combinations, data.checks or the registry"
        )
    if settings.choose == "rule":
        return {one.group.group for one in choose(passed, settings.groups)}
    return _listed(Path(settings.input) / LIST, verdicts)


def _listed(path: Path, verdicts: Sequence[Verdict]) -> set[str]:
    """Names in the column `group` of the list, each of a candidate that passed."""
    reasons = {verdict.candidate.group.group: verdict.reason for verdict in verdicts}
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            names = [row["group"].strip() for row in csv.DictReader(stream)]
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}); copy the manifest.csv of the groups that "
            "you want to it, or set data.choose=rule"
        ) from None
    except (KeyError, AttributeError, UnicodeDecodeError, csv.Error):
        raise InputError(f"{path}: no CSV file in UTF-8 with a column group; add one") from None
    for name in names:
        if name not in reasons:
            raise InputError(f"{path}: the atlas gives no group {name}; leave it out")
        if reasons[name]:
            raise InputError(f"{path}: {name} is rejected: {reasons[name]}; leave it out")
    if not names:
        raise InputError(f"{path}: names no group; add some, or set data.choose=rule")
    return set(names)
