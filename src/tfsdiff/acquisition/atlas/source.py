"""Data source `atlas`: download (or take from the cache), classify, check, choose.

Three files beside the manifest record the decisions: `series.csv` (modality of each series, its
origin and confidence), `candidates.csv` (every possible group: chosen, left or rejected, with the
measures of its checks) and `missing.csv` (slices that could not be fetched).
"""

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tfsdiff.acquisition.atlas import cache, notes
from tfsdiff.acquisition.atlas.collect import Collected, collect, incomplete
from tfsdiff.acquisition.atlas.decisions import Decision, Images, check_candidates, chosen
from tfsdiff.acquisition.atlas.decode import decode
from tfsdiff.acquisition.atlas.grouping import Identity, candidates, parse
from tfsdiff.acquisition.atlas.registry import Case, Series, read_registry
from tfsdiff.acquisition.atlas.transfer import Store
from tfsdiff.acquisition.atlas.weighting import DOUBTFUL, classify
from tfsdiff.common.errors import InputError
from tfsdiff.data.images import Pixels
from tfsdiff.data.slices import Group
from tfsdiff.params import AtlasData

REGISTRY, LOCK = "registry.yaml", "lock.csv"


@dataclass(frozen=True)
class Atlas:
    """The chosen groups with their images, and the files that record how they were chosen."""

    items: list[tuple[Group, Images]]
    notes: dict[str, str]


def open_store(settings: AtlasData, *, offline: bool = False, **options: bool) -> Store:
    """The files of the atlas that `settings` describe; options are those of `Store`.

    The environment variable `TFSDIFF_OFFLINE` (any value but 0) forbids every request.
    """
    forbidden = os.environ.get("TFSDIFF_OFFLINE", "0") not in ("", "0")
    return Store(
        settings.base,
        cache.default_folder(),
        Path(settings.input) / LOCK,
        settings.transfer,
        lambda data: decode(data, settings.pixels),
        offline=offline or forbidden,
        **options,
    )


def gather(settings: AtlasData, store: Store) -> tuple[list[Case], Collected]:
    """All slices of the registry that can be obtained.

    Raises:
        InputError: registry or lock are wrong, or files on the server are not those of the lock.
    """
    cases = read_registry(Path(settings.input) / REGISTRY, settings.guesses)
    with store:
        return cases, collect(cases, store, settings.pixels, settings.patience)


def read_atlas(settings: AtlasData) -> Atlas:
    """Make the groups of the atlas.

    Returns:
        Groups with uint8 images (P, P), (P, P) and (P, P, 3), P = `settings.pixels`, sorted by
        name; and the files beside the manifest, by name.

    Raises:
        InputError: registry, lock, server or list are at fault; files are missing and
            `settings.incomplete` is `refuse`; or no group is left.
    """
    cases, found = gather(settings, open_store(settings))
    if found.missing:
        what = incomplete(cases, found)
        if settings.incomplete == "refuse":
            raise InputError(f"{what}; data.incomplete=accept makes groups of the others")
        sys.stderr.write(f"{what}\n")
    identities = identify(cases, found)
    possible = candidates(cases, found, identities, settings.combinations)
    decisions = check_candidates(possible, found, settings.checks)
    names = chosen(decisions, settings)
    files = {
        "series.csv": notes.series_table(cases, found, identities),
        "candidates.csv": notes.candidates_table(decisions, names),
        "missing.csv": notes.missing_table(found),
    }
    items = [(d.candidate.group, d.images) for d in decisions if d.candidate.group.group in names]
    for line in _remarks(cases, decisions, identities, settings):
        sys.stderr.write(f"atlas: {line}\n")
    rejected = sum(bool(decision.reason) for decision in decisions)
    sys.stderr.write(
        f"atlas: {len(decisions)} possible groups, {rejected} rejected by the checks, "
        f"{len(names)} chosen (candidates.csv beside the manifest)\n"
    )
    return Atlas(items, files)


def identify(cases: Iterable[Case], found: Collected) -> dict[Series, Identity]:
    """Modality of every series with slices: by the registry, or classified from its images."""
    identities = {}
    for case in cases:
        for series in case.series:
            images = found.slices.get(series)
            if not images:
                continue
            if series.modality is not None:
                identities[series] = Identity(series.modality, 1.0, "registry")
            else:
                identities[series] = _classify(images)
    return identities


def _classify(images: Mapping[int, Pixels]) -> Identity:
    grey = [images[number] for number in sorted(images) if images[number].ndim == 2]
    try:
        found = classify(grey)
    except ValueError as error:
        return Identity("", 0.0, "images", str(error))
    measures = ", ".join(f"{name} {value:.3g}" for name, value in found.measures.items())
    return Identity(found.modality, found.confidence, "images", measures)


def _remarks(
    cases: Iterable[Case],
    decisions: Iterable[Decision],
    identities: Mapping[Series, Identity],
    settings: AtlasData,
) -> Iterator[str]:
    """Warnings of series and cases to inspect, and to correct in the registry."""
    for series, identity in identities.items():
        name = f"{series.case}/{series.name}"
        if not identity.modality:
            yield f"{name} cannot be classified from its images: {identity.measures}"
        elif identity.confidence < DOUBTFUL:
            yield (
                f"{name} looks like {identity.modality}, with a confidence of only "
                f"{identity.confidence:.2f}; look at it, and write its modality to the registry"
            )
    wanted = {"_".join(names) for names in parse(settings.combinations)}
    came = {(one.candidate.group.patient, one.candidate.group.combination) for one in decisions}
    for case in cases:
        for combination in case.combinations:
            if combination in wanted and (case.name, combination) not in came:
                yield f"{case.name} should give {combination} by the registry, but gave no group"
