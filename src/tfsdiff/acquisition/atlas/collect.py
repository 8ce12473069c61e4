"""From the registry to slices in memory: which files are requested, in which order, and failures.

Cases that cannot give three series in register are left out. Of each other case the functional
series come first, and anatomical slices are requested only where a functional one exists. A
functional series of unknown range is requested from 000 upward until `patience` consecutive slices
are missing; numbers known to exist are requested in any case. An anatomical series of unknown range
is first probed at `SAMPLES` slices, spread evenly over the functional ones, and abandoned if none
of them exists. A file that cannot be fetched does not end the walk, but a server that refuses, or
that does not answer for `GIVE_UP` files in a row, gets no more requests: further slices come from
the cache or are missing.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations, count

from tfsdiff.acquisition.atlas.decode import decode
from tfsdiff.acquisition.atlas.registry import Case, Series
from tfsdiff.acquisition.atlas.transfer import Changed, Invalid, Refused, Store, Unreachable
from tfsdiff.common.errors import InputError
from tfsdiff.common.progress import progress
from tfsdiff.common.sequences import evenly
from tfsdiff.data.images import Pixels

GIVE_UP = 3  # files in a row without an answer
SAMPLES = 5


@dataclass(frozen=True)
class Missing:
    """A slice that may exist but could not be fetched; `reason` is one line naming its address."""

    series: Series
    number: int
    kind: str
    reason: str


@dataclass
class Collected:
    """The slices obtained, and those missing.

    Attributes:
        slices: uint8 (P, P), or (P, P, 3) where coloured, by series and number.
        missing: in the order in which they were requested.
    """

    slices: dict[Series, dict[int, Pixels]] = field(default_factory=dict)
    missing: list[Missing] = field(default_factory=list)

    @property
    def had(self) -> int:
        """How many slices there are."""
        return sum(map(len, self.slices.values()))

    def numbers(self, series: Series) -> set[int]:
        """Numbers of the slices obtained of a series."""
        return set(self.slices.get(series, ()))

    def possible(self, series: Series) -> set[int]:
        """Numbers of the slices of a series that were obtained or are missing."""
        return self.numbers(series) | {m.number for m in self.missing if m.series == series}


def collect(cases: Sequence[Case], store: Store, pixels: int, patience: int) -> Collected:
    """Take all slices that can be part of a group, from the cache or the server.

    Args:
        cases: of the registry.
        store: opened.
        pixels: side of the images.
        patience: consecutive missing slices that end a series of unknown range.

    Raises:
        Changed: files on the server are not those of the lock; names the first.
        KeyboardInterrupt: with a message that says what is kept.
    """
    walk = _Walk(store, pixels, patience)
    try:
        for _ in progress(walk.all(cases), "atlas", store.known or None):
            pass
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"interrupted after {walk.found.had} slices, which the cache keeps; `tfsdiff atlas "
            "status` says what is missing and what that costs, and another run goes on"
        ) from None
    if walk.changed:
        raise _changed(walk.changed)
    return walk.found


def cost(cases: Iterable[Case], found: Collected) -> tuple[int, int]:
    """How many groups of three are lost at most by missing slices, and how many are possible.

    A functional slice counts as one group, however many pairs of anatomical series it has.
    """
    had = sum(len(_groups(case, found.numbers)) for case in cases)
    possible = sum(len(_groups(case, found.possible)) for case in cases)
    return possible - had, possible


def inventory(cases: Sequence[Case], found: Collected) -> list[str]:
    """Lines that list the slices obtained of each series, and the groups they allow."""
    lines = [
        f"{case.name}: " + ", ".join(f"{one.name} {len(found.numbers(one))}" for one in case.series)
        for case in cases
    ]
    lost, possible = cost(cases, found)
    return [
        *lines,
        f"{found.had} slices, {possible - lost} functional ones with two anatomical beside them",
    ]


def incomplete(cases: Sequence[Case], found: Collected) -> str:
    """Summarise in one line the missing files and the groups lost."""
    lost, possible = cost(cases, found)
    missing = len(found.missing)
    return (
        f"{missing} of {found.had + missing} files of the atlas could not be fetched, "
        f"which costs up to {lost} of {possible} groups; the first: {found.missing[0].reason}"
    )


def _groups(case: Case, numbers: Callable[[Series], set[int]]) -> set[tuple[Series, int]]:
    slices = {series: numbers(series) for series in case.series}
    anatomical = [series for series in case.series if not series.functional]
    return {
        (last, number)
        for last in case.series
        if last.functional
        for first, second in combinations(anatomical, 2)
        if case.together(first.name, second.name, last.name)
        for number in slices[first] & slices[second] & slices[last]
    }


class _Walk:
    def __init__(self, store: Store, pixels: int, patience: int) -> None:
        self.found = Collected()
        self.changed: list[Changed] = []
        self._store, self._pixels, self._patience = store, pixels, patience
        self._unanswered = 0

    def all(self, cases: Iterable[Case]) -> Iterator[None]:
        """Request everything; yields once per file."""
        for case in cases:
            functional = [one for one in case.series if one.functional and _grouped(case, one)]
            for series in functional:
                yield from self._functional(series)
            wanted = set().union(*(self.found.possible(series) for series in functional))
            for series in case.series:
                if not series.functional and wanted:
                    yield from self._anatomical(series, wanted)

    def _functional(self, series: Series) -> Iterator[None]:
        if series.slices is not None:
            for number in series.slices:
                yield self._ask(series, number)
            return
        wanting = 0
        for number in count():
            if wanting >= self._patience and number > max(series.seen, default=-1):
                return
            yield self._ask(series, number)
            wanting = 0 if number in self.found.numbers(series) else wanting + 1

    def _anatomical(self, series: Series, wanted: set[int]) -> Iterator[None]:
        numbers = sorted(wanted if series.slices is None else wanted & {*series.slices})
        if series.slices is None:
            samples = evenly(numbers, SAMPLES)
            for number in samples:
                yield self._ask(series, number)
            if not self.found.possible(series):
                return
            numbers = [number for number in numbers if number not in samples]
        for number in numbers:
            yield self._ask(series, number)

    def _ask(self, series: Series, number: int) -> None:
        try:
            data = self._store.get(series.path(number))
        except Changed as change:
            self.changed.append(change)
        except (Unreachable, Refused, Invalid) as error:
            self.found.missing.append(Missing(series, number, type(error).__name__, str(error)))
            self._leave_alone(error)
        else:
            self._unanswered = 0
            if data is not None:
                images = self.found.slices.setdefault(series, {})
                images[number] = decode(data, self._pixels)

    def _leave_alone(self, error: InputError) -> None:
        self._unanswered = self._unanswered + 1 if isinstance(error, Unreachable) else 0
        if isinstance(error, Refused) or self._unanswered >= GIVE_UP:
            self._store.offline = True


def _grouped(case: Case, functional: Series) -> bool:
    """Whether two anatomical series are in register with this one."""
    anatomical = [one.name for one in case.series if not one.functional]
    pairs = combinations(anatomical, 2)
    return any(case.together(first, second, functional.name) for first, second in pairs)


def _changed(changes: Sequence[Changed]) -> Changed:
    more = f" (and {len(changes) - 1} more)" if len(changes) > 1 else ""
    return Changed(f"{changes[0]}{more}")
