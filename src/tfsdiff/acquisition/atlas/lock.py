"""The lock file: the SHA-256 of every file of the atlas when it was first downloaded.

A CSV file with the columns path, bytes and sha256, sorted by path, that is kept with the project.
`absent` in place of a SHA-256 records that the server has no such file. A header alone is a lock
without entries.
"""

import csv
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tfsdiff.common.errors import InputError
from tfsdiff.common.files import replacing

COLUMNS = ("path", "bytes", "sha256")
ABSENT = "absent"
PART = re.compile(
    r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
)  # never hidden: such names are reserved for the cache
SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Entry:
    """What is recorded of one file: its size and SHA-256, or that there is none."""

    bytes: int
    sha256: str

    @classmethod
    def of(cls, data: bytes | None) -> "Entry":
        """Describe `data`; None is a file that the server does not have."""
        if data is None:
            return cls(0, ABSENT)
        return cls(len(data), hashlib.sha256(data).hexdigest())

    @property
    def absent(self) -> bool:
        """Whether the server has no such file."""
        return self.sha256 == ABSENT


def check_path(path: str) -> str:
    """Return `path` if it names a file below the atlas, such as `cases/case21/ct1/010.gif`.

    Raises:
        InputError: it is absolute, leads out (`..`), or has characters unused in the atlas.
    """
    if not all(PART.fullmatch(part) for part in path.split("/")):
        raise InputError(
            f"{path!r} is no path of the atlas; give names of letters, digits, '_', '-' and '.' "
            "that do not begin with '.', joined by '/'"
        )
    return path


def read_lock(path: Path) -> dict[str, Entry]:
    """Read the lock file at `path`: entries by the path of the file, in the order of the rows.

    Raises:
        InputError: it is missing or has an invalid row; names the line.
    """
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            rows = list(csv.reader(stream, strict=True))
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}); where nothing was downloaded yet, write "
            f"the one line `{','.join(COLUMNS)}` into it"
        ) from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise InputError(f"{path}: no CSV ({error}); {_CURE}") from None
    if not rows or tuple(rows[0]) != COLUMNS:
        raise InputError(f"{path}: line 1 must be `{','.join(COLUMNS)}`; {_CURE}")
    entries: dict[str, Entry] = {}
    for line, row in enumerate(rows[1:], start=2):
        try:
            name, entry = _entry(row)
            if name in entries:
                raise ValueError(f"{name} is listed twice")
        except (ValueError, InputError) as error:
            raise InputError(f"{path}: line {line}: {error}; {_CURE}") from None
        entries[name] = entry
    return entries


def write_lock(path: Path, entries: Mapping[str, Entry]) -> None:
    """Write `entries` as the lock file at `path`, sorted by path: whole or not at all.

    Raises:
        InputError: a path leads out of the atlas.
    """
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(COLUMNS)
        for name in sorted(entries):
            writer.writerow((check_path(name), entries[name].bytes, entries[name].sha256))


def _entry(row: list[str]) -> tuple[str, Entry]:
    if len(row) != len(COLUMNS):
        raise ValueError(f"{len(row)} columns instead of {len(COLUMNS)}")
    name, size, sha256 = row
    if not re.fullmatch(r"[0-9]{1,12}", size):
        raise ValueError(f"bytes '{size}' is no number")
    entry = Entry(int(size), sha256)
    if not (entry.absent or SHA256.fullmatch(sha256)):
        raise ValueError(f"sha256 '{sha256}' is neither 64 hexadecimal digits nor '{ABSENT}'")
    if entry.absent != (entry.bytes == 0):
        raise ValueError(f"{size} bytes with sha256 '{sha256[:12]}'")
    return check_path(name), entry


_CURE = "restore it from the history of the project"
