"""The decision on every candidate: rejected by the checks, chosen, or left."""

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
class Decision:
    """A candidate after the checks: its images, the findings, and the reason for a rejection."""

    candidate: Candidate
    images: Images | None
    findings: tuple[Finding, ...]
    reason: str


def check_candidates(
    possible: Iterable[Candidate], found: Collected, checks: Checks
) -> list[Decision]:
    """Check every candidate."""
    return [_check(one, found, checks) for one in progress(possible, "checks")]


def _check(candidate: Candidate, found: Collected, checks: Checks) -> Decision:
    group = candidate.group
    try:
        images = tuple(
            with_channels(modality, found.slices[series][group.slice])
            for modality, series in zip(group.modalities, candidate.series, strict=True)
        )
    except ValueError as error:
        return Decision(candidate, None, (), str(error))
    findings = tuple(examine(images, group.modalities, checks))
    failed = [one for one in findings if not one.passed]
    reason = "; ".join(f"{one.check} is {one.value:.3g}, limit {one.limit:.3g}" for one in failed)
    return Decision(candidate, images, findings, reason)


def chosen(decisions: Sequence[Decision], settings: AtlasData) -> set[str]:
    """Names of the groups that are taken: by the rule, or those of the list.

    Raises:
        InputError: there are none, or the list names one that cannot be taken.
    """
    passed = [decision.candidate for decision in decisions if not decision.reason]
    if not passed:
        raise InputError(
            f"none of {len(decisions)} possible groups of the atlas can be taken"
            + (f" (the first: {decisions[0].reason})" if decisions else "")
            + "; change data.combinations, data.checks or the registry"
        )
    if settings.choose == "rule":
        return {one.group.group for one in choose(passed, settings.groups)}
    return _listed(Path(settings.input) / LIST, decisions)


def _listed(path: Path, decisions: Sequence[Decision]) -> set[str]:
    """Names in the column `group` of the list, each of a candidate that passed."""
    reasons = {decision.candidate.group.group: decision.reason for decision in decisions}
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            names = [row["group"].strip() for row in csv.DictReader(stream)]
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}); copy the manifest.csv of the groups that "
            "you want to it, or set data.choose=rule"
        ) from None
    except (KeyError, AttributeError, UnicodeDecodeError, csv.Error):
        raise InputError(
            f"{path}: is no CSV file in UTF-8 with a column `group`; add one"
        ) from None
    for name in names:
        if name not in reasons:
            raise InputError(f"{path}: the atlas gives no group {name}; leave it out")
        if reasons[name]:
            raise InputError(f"{path}: {name} is rejected: {reasons[name]}; leave it out")
    if not names:
        raise InputError(
            f"{path}: has no row; name the groups that you want, or set data.choose=rule"
        )
    return set(names)
