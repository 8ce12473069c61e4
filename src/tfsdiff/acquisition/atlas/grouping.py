"""Groups of three out of the slices of the atlas, and the rule that chooses among them.

Slices of one number are in register across the series of a case. A candidate is a functional slice
with two anatomical ones of different modality, in the order of the slots; where several series of a
case give the same three modalities at the same slice, those of the highest confidence are taken,
then the first by name.

The rule that chooses N of the candidates that passed the checks: the combinations get equal shares,
within a combination its patients, and what one cannot fill goes evenly to the others; of a patient
who contributes k of n slices, those at places floor((i + 1/2) n / k), i = 0 to k - 1, are taken, so
that they are spread evenly over the brain. Nothing is random.
"""

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tfsdiff.acquisition.atlas.collect import Collected
from tfsdiff.acquisition.atlas.registry import Case, Series
from tfsdiff.common.errors import InputError
from tfsdiff.common.sequences import evenly
from tfsdiff.data.combination import parse_combination
from tfsdiff.data.slices import ANATOMICAL, FUNCTIONAL, Group

TRACERS = {"PET": ("PET-FDG",), "SPECT": ("SPECT-Tc", "SPECT-Tl")}


@dataclass(frozen=True)
class Identity:
    """Modality of a series, its confidence in [0, 1], and where it comes from."""

    modality: str  # empty: it cannot be determined, and `measures` says why
    confidence: float
    origin: str  # registry | images
    measures: str = ""


@dataclass(frozen=True)
class Candidate:
    """A possible group: row of the manifest, three series, combination that asked for it."""

    group: Group
    series: tuple[Series, Series, Series]
    asked: str


def candidates(
    cases: Iterable[Case],
    found: Collected,
    identities: Mapping[Series, Identity],
    combinations: Sequence[str],
) -> list[Candidate]:
    """All groups of three that the slices and the combinations allow, sorted by name.

    Raises:
        InputError: a combination does not name two anatomical modalities and a tracer.
    """
    wanted = parse(combinations)
    best: dict[tuple[str, str, int], tuple[float, Candidate]] = {}
    for case in cases:
        for series in _triples(case, identities):
            names = tuple(identities[one].modality for one in series)
            if names not in wanted:
                continue
            sure = min(identities[one].confidence for one in series)
            for candidate in _slices(series, names, wanted[names], found, identities):
                group = candidate.group
                key = (group.patient, group.combination, group.slice)
                if key not in best or sure > best[key][0]:
                    best[key] = (sure, candidate)
    return sorted((one for _, one in best.values()), key=lambda one: one.group.group)


def choose(passed: Sequence[Candidate], count: int | None) -> list[Candidate]:
    """Choose `count` candidates by the rule of the module (None: all), sorted by name."""
    if count is None or count >= len(passed):
        return list(passed)
    tree: dict[str, dict[str, list[Candidate]]] = defaultdict(lambda: defaultdict(list))
    for one in sorted(passed, key=lambda one: (one.group.slice, one.group.group)):
        tree[one.asked][one.group.patient].append(one)
    sizes = {asked: sum(map(len, patients.values())) for asked, patients in tree.items()}
    chosen: list[Candidate] = []
    for asked, quota in _shares(sizes, count).items():
        patients = tree[asked]
        shares = _shares({name: len(slices) for name, slices in patients.items()}, quota)
        for name, share in shares.items():
            chosen += evenly(patients[name], share)
    return sorted(chosen, key=lambda one: one.group.group)


def _shares(sizes: Mapping[str, int], total: int) -> dict[str, int]:
    """Equal shares of `total`, none above its size; a remainder goes to the first by name."""
    shares = dict.fromkeys(sorted(sizes), 0)
    while left := min(total, sum(sizes.values())) - sum(shares.values()):
        hungry = [name for name in shares if shares[name] < sizes[name]]
        for name in hungry[:left]:
            shares[name] += min(max(left // len(hungry), 1), sizes[name] - shares[name])
    return shares


def parse(combinations: Sequence[str]) -> dict[tuple[str, str, str], str]:
    """Modalities of a group to the combination that asks for them; without any, all there are.

    Raises:
        InputError: a combination does not name two anatomical modalities and a tracer.
    """
    if not combinations:
        pairs = itertools.combinations(ANATOMICAL, 2)
        return {(*pair, last): "_".join((*pair, last)) for pair in pairs for last in FUNCTIONAL}
    wanted: dict[tuple[str, str, str], str] = {}
    for text in combinations:
        for names in _expand(text):
            wanted.setdefault(names, text)
    return wanted


def _expand(text: str) -> Iterator[tuple[str, str, str]]:
    tracers = {name: (name,) for name in FUNCTIONAL} | TRACERS
    try:
        first, second, last = parse_combination(text, tuple(tracers))
    except ValueError as error:
        raise InputError(f"data.combinations: {error}") from None
    for tracer in tracers[last]:
        yield first, second, tracer


def _triples(
    case: Case, identities: Mapping[Series, Identity]
) -> Iterator[tuple[Series, Series, Series]]:
    known = sorted((one for one in case.series if one in identities), key=lambda one: one.name)
    anatomical = [one for one in known if identities[one].modality in ANATOMICAL]
    for last in (one for one in known if one.functional):
        for first, second in itertools.permutations(anatomical, 2):
            if case.together(first.name, second.name, last.name):
                yield first, second, last


def _slices(
    series: tuple[Series, Series, Series],
    names: tuple[str, str, str],
    asked: str,
    found: Collected,
    identities: Mapping[Series, Identity],
) -> Iterator[Candidate]:
    case = series[0].case
    for number in sorted(set.intersection(*(found.numbers(one) for one in series))):
        group = Group(
            group="-".join((case, f"{number:03d}", *(one.name for one in series))),
            combination="_".join(names),
            patient=case,
            slice=number,
            anatomical_1=names[0],
            anatomical_2=names[1],
            functional=names[2],
            source=_source(case, series, identities),
        )
        yield Candidate(group, series, asked)


def _source(case: str, series: Sequence[Series], identities: Mapping[Series, Identity]) -> str:
    classified = "".join(
        f"; {one.name} is {identities[one].modality} by its images, "
        f"confidence {identities[one].confidence:.2f}"
        for one in series
        if identities[one].origin == "images"
    )
    return f"Whole Brain Atlas {case}/{'+'.join(one.name for one in series)}{classified}"
