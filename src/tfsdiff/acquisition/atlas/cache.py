"""Downloaded files on the user's disk, outside the project, so that they survive its outputs.

FOLDER/HOST/PATH OF THE ATLAS/cases/... holds whole files only: each is renamed into place after it
was checked. Beside `010.gif` lie, hidden, `.010.gif.json` (its SHA-256, and the validators by which
to ask whether it changed) and, during a download, `.010.gif.partial` with its own `.json`, from
which a killed process resumes. A file that the server does not have is represented by its note
alone. The path of a file depends on the request, never on the response.
"""

import json
import os
import re
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import filelock
import platformdirs

from tfsdiff.acquisition.atlas.lock import ABSENT, Entry
from tfsdiff.common.errors import InputError
from tfsdiff.common.files import replacing

VARIABLE = "TFSDIFF_CACHE"
TERMS = """\
You are about to fetch images from Harvard's Whole Brain Atlas, by K. A. Johnson and J. A. Becker.
You fetch them yourself, for research; they are not part of this project, and you must not
redistribute them. Cite the atlas in what you publish. This is research software, not for clinical
use.
"""


@dataclass(frozen=True)
class Validators:
    """Validators of a version of a file, by which the server can be asked for changes."""

    etag: str | None = None
    last_modified: str | None = None

    @property
    def exact(self) -> str | None:
        """The one that promises equal bytes, for If-Range: a strong ETag, else the date."""
        if self.etag and not self.etag.startswith("W/"):
            return self.etag
        return self.last_modified

    def conditions(self) -> dict[str, str]:
        """Headers of a request that is only answered in full if the file changed."""
        asked = {"If-None-Match": self.etag, "If-Modified-Since": self.last_modified}
        return {name: value for name, value in asked.items() if value}


UNKNOWN = Validators()


@dataclass(frozen=True)
class Begun:
    """An incomplete file: the bytes at hand, their version, and the total size if known."""

    size: int
    validators: Validators
    total: int | None


def default_folder() -> Path:
    """Where files are kept: TFSDIFF_CACHE, else the user's cache folder; in it `atlas`."""
    given = os.environ.get(VARIABLE)
    root = Path(given) if given else Path(platformdirs.user_cache_dir("tfsdiff", appauthor=False))
    return root / "atlas"


class Partial:
    """A file being downloaded, under a name that later processes find again."""

    def __init__(self, target: Path) -> None:
        self.path = target.with_name(f".{target.name}.partial")
        self.note = target.with_name(f".{target.name}.partial.json")

    def begin(self, validators: Validators, total: int | None) -> None:
        """Start anew with a version of `total` bytes, if that is known."""
        self.discard()
        if validators.exact:  # without one it cannot be resumed safely
            _write_json(self.note, asdict(validators) | {"total": total})
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.touch()

    def begun(self) -> Begun | None:
        """The bytes received and their version; None: nothing that could be resumed."""
        known = _read_json(self.note)
        size = self.path.stat().st_size if self.path.is_file() else 0
        version = UNKNOWN if known is None else _validators(known)
        if known is None or not size or not version.exact:
            return None
        total = known.get("total")
        return Begun(size, version, total if isinstance(total, int) else None)

    def discard(self) -> None:
        """Remove what was received; the bytes first, lest they meet another version's note."""
        self.path.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)


class Cache:
    """The files of one atlas on disk; entered by one process at a time."""

    def __init__(self, folder: Path, place: str) -> None:
        self.folder = folder
        self.root = folder / place
        self._lock = filelock.FileLock(folder / ".lock")

    def open(self) -> None:
        """Make the folder, show the terms at first use, and keep other processes out.

        Raises:
            InputError: another download is under way, or the folder cannot be locked.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire(blocking=False)
        except filelock.Timeout:
            raise InputError(
                f"{self.folder}: another download is under way; wait for it to end"
            ) from None
        except NotImplementedError:
            raise InputError(
                f"{self.folder}: files there cannot be locked; set {VARIABLE} to a folder on a "
                "local disk"
            ) from None
        self._show_terms()
        for left in self.folder.rglob(".*.partial-*"):  # of a killed `replacing`
            left.unlink()

    def close(self) -> None:
        """Let other processes in."""
        self._lock.release()

    def read(self, name: str) -> bytes | None:
        """Bytes of a file, or None where it was not downloaded."""
        path = self.root / name
        return path.read_bytes() if path.is_file() else None

    def validators(self, name: str, entry: Entry) -> Validators:
        """Validators of the cached file; none, unless its content is that of `entry`."""
        known = _read_json(self._note(name))
        if known is None or known.get("sha256") != entry.sha256:
            return UNKNOWN
        return _validators(known)

    def partial(self, name: str) -> Partial:
        """Where a file is written during its download."""
        return Partial(self.root / name)

    def keep(self, name: str, entry: Entry, validators: Validators) -> None:
        """Put the checked partial file in place.

        The note is written first: its SHA-256 identifies the bytes it describes, so it does no harm
        beside older ones, whereas a file would remain without a note if the process ended between
        the two.
        """
        partial = self.partial(name)
        with partial.path.open("rb+") as stream:
            os.fsync(stream.fileno())
        _write_json(self._note(name), {"sha256": entry.sha256} | asdict(validators))
        partial.note.unlink(missing_ok=True)
        partial.path.replace(self.root / name)

    def keep_absence(self, name: str) -> None:
        """Record that the server does not have the file, or no longer has it."""
        (self.root / name).unlink(missing_ok=True)
        _write_json(self._note(name), {"sha256": ABSENT})

    def absent(self, name: str) -> bool:
        """Whether the server was asked and had no such file."""
        known = _read_json(self._note(name)) or {}
        return known.get("sha256") == ABSENT and not (self.root / name).exists()

    def _note(self, name: str) -> Path:
        path = self.root / name
        return path.with_name(f".{path.name}.json")

    def _show_terms(self) -> None:
        shown = self.folder / "TERMS.txt"
        if not shown.is_file():
            sys.stderr.write(TERMS)
            with replacing(shown) as temporary:
                temporary.write_text(TERMS, encoding="utf-8")


def _validators(known: dict[str, object]) -> Validators:
    etag, date = known.get("etag"), known.get("last_modified")
    return Validators(_header(etag), _header(date))


def _header(value: object) -> str | None:
    # Only characters allowed in a header: the note may be damaged.
    return value if isinstance(value, str) and re.fullmatch(r"[ -~]{1,200}", value) else None


def _write_json(path: Path, values: dict[str, object]) -> None:
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")


def _read_json(path: Path) -> dict[str, object] | None:
    # An unreadable note is not an error: notes only save requests, so the file is requested anew.
    try:
        values = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return values if isinstance(values, dict) else None
