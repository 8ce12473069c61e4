"""The registry: the documented contents of the atlas, and guesses at undocumented ones.

A YAML file of cases (patients), each with its series (folders of slices). A series has a modality,
or `classify` where the weighting of an MR folder is to be classified from its images; naming the
modality there overrides the images. `slices` is FIRST-LAST, or `probe` if the range is not known:
the downloader then requests slices from 000 upward until several in a row are missing; `seen` are
numbers known to exist. `combinations` are those that a case is known to give; the user is warned of
those that it does not give. `registered` lists series that are in register with each other; without
it all of a case are. `guesses` are undocumented series. Each entry names its source.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from tfsdiff.common.errors import InputError
from tfsdiff.data.slices import FUNCTIONAL, MODALITIES
from tfsdiff.params import Section, read_yaml, validate

CLASSIFY = "classify"
CURE = "set data.input to a folder with a registry, such as workflow/atlas"
MR_FOLDER = "mr"  # what the names of MR series begin with

Folder = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9]{0,19}$")]  # no "..", no "/"
Range = Annotated[str, Field(pattern=r"^[0-9]{1,3}-[0-9]{1,3}$")]


class SeriesEntry(Section):
    """A series, as written."""

    modality: str
    slices: Literal["probe"] | Range
    source: str
    seen: Range | None = None


class CaseEntry(Section):
    """A case, as written."""

    subject: str
    format: Literal["gif", "png"]
    series: dict[Folder, SeriesEntry]
    unknown: tuple[str, ...] = ()
    combinations: tuple[str, ...] = ()
    registered: tuple[tuple[Folder, ...], ...] = ()
    guesses: tuple[Folder, ...] = ()
    use: Literal["groups", "pairs"] = "groups"


class Registry(Section):
    """The file, as written."""

    sources: dict[str, str]
    cases: dict[Folder, CaseEntry]


@dataclass(frozen=True)
class Series:
    """A folder of slices.

    Attributes:
        case, name: folder of the patient, and of the series in it.
        form: extension of its files.
        modality: None where it is classified from the images.
        slices: numbers that exist, if the range is documented.
        seen: numbers known to exist, where the range is not.
    """

    case: str
    name: str
    form: str
    modality: str | None
    slices: range | None
    seen: range

    def path(self, number: int) -> str:
        """Path of a slice below the address of the atlas."""
        return f"cases/{self.case}/{self.name}/{number:03d}.{self.form}"

    @property
    def functional(self) -> bool:
        """Whether it is PET or SPECT; MR folders whose weighting is not known are not."""
        return self.modality in FUNCTIONAL


@dataclass(frozen=True)
class Case:
    """A patient: the series, which of them are in register, and the known combinations."""

    name: str
    series: tuple[Series, ...]
    registered: tuple[frozenset[str], ...]
    combinations: tuple[str, ...] = ()

    def together(self, *names: str) -> bool:
        """Whether all these series are in register with each other."""
        return any(known.issuperset(names) for known in self.registered)


def read_registry(path: Path, guesses: bool) -> list[Case]:
    """Read the cases that can give groups.

    Args:
        path: the YAML file.
        guesses: also take undocumented series.

    Raises:
        InputError: it cannot be read, or an entry is wrong; names its key.
    """
    registry = validate(read_yaml(path, CURE), Registry, path)
    cases = [
        _case(path, name, entry, guesses, registry.sources)
        for name, entry in sorted(registry.cases.items())
        if entry.use == "groups"
    ]
    if not cases:
        raise InputError(f"{path}: no case can give groups; add one below `cases`")
    return cases


def _case(path: Path, name: str, entry: CaseEntry, guesses: bool, sources: dict[str, str]) -> Case:
    series = []
    for folder, written in sorted(entry.series.items()):
        where = f"{path}: cases.{name}.series.{folder}"
        if written.source not in sources:
            raise InputError(f"{where}: source '{written.source}' is not listed below `sources`")
        series.append(_series(where, name, folder, entry.format, written))
    if guesses:
        series += [_guess(path, name, folder, entry) for folder in entry.guesses]
    known = {one.name for one in series}
    for names in entry.registered:
        strange = sorted(set(names) - set(entry.series) - set(entry.guesses))
        if strange:
            raise InputError(f"{path}: cases.{name}.registered: no series is called {strange[0]}")
    registered = tuple(map(frozenset, entry.registered)) or (frozenset(known),)
    return Case(name, tuple(series), registered, entry.combinations)


def _series(where: str, case: str, folder: str, form: str, entry: SeriesEntry) -> Series:
    modality = None if entry.modality == CLASSIFY else entry.modality
    if modality is None and not folder.startswith(MR_FOLDER):
        raise InputError(f"{where}: only MR series can be classified; give its modality")
    if modality is not None and modality not in MODALITIES:
        known = ", ".join((*MODALITIES, CLASSIFY))
        raise InputError(f"{where}: modality '{modality}' is unknown; known are {known}")
    slices = None if entry.slices == "probe" else _range(where, entry.slices)
    return Series(case, folder, form, modality, slices, _range(where, entry.seen))


def _guess(path: Path, case: str, folder: str, entry: CaseEntry) -> Series:
    where = f"{path}: cases.{case}.guesses"
    prefixes = {MR_FOLDER: None, "ct": "CT", "tc": "SPECT-Tc", "tl": "SPECT-Tl", "dg": "PET-FDG"}
    if folder[:2] not in prefixes or folder in entry.series:
        raise InputError(f"{where}: {folder} must be a new folder, of {', '.join(prefixes)}")
    return Series(case, folder, entry.format, prefixes[folder[:2]], None, range(0))


def _range(where: str, text: str | None) -> range:
    if text is None:
        return range(0)
    first, last = map(int, text.split("-"))
    if first > last:
        raise InputError(f"{where}: range {text} ends before it begins; exchange its ends")
    return range(first, last + 1)
