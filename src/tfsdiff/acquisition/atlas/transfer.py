"""Files of the atlas: from the cache, verified against the lock, else from the server.

A file whose SHA-256 is that of the lock is taken from the cache without a request. A file that the
lock lacks is recorded when it is first downloaded. Any difference from the lock (other bytes, a
file that has disappeared or appeared) is an error until it is accepted, and until then neither the
cache nor the lock changes. A file that the lock records as absent is requested again only when all
files are revalidated.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from tfsdiff.acquisition.atlas.answers import Invalid, Refused, Unreachable
from tfsdiff.acquisition.atlas.cache import UNKNOWN, VARIABLE, Cache, Validators
from tfsdiff.acquisition.atlas.client import Answer, Client
from tfsdiff.acquisition.atlas.connection import REAL_TIME, Clock, parse_base, place
from tfsdiff.acquisition.atlas.lock import Entry, check_path, read_lock, write_lock
from tfsdiff.common.errors import InputError
from tfsdiff.params import Transfer

__all__ = ["Changed", "Invalid", "Refused", "Store", "Unreachable"]

ACCEPT = "tfsdiff atlas fetch --accept-changes"


class Changed(InputError):  # noqa: N818
    """The server's file differs from what the lock records."""


class Store:
    """The files of an atlas, as a context manager; one process at a time holds a cache folder.

    Args:
        base: Address of the atlas.
        folder: Of the cache (`tfsdiff.acquisition.atlas.cache.default_folder`).
        lock: The lock file; it must exist, and is written on exit, after an error too.
        settings: How to request files.
        check: Raises `ValueError`, in a few words, for bytes that are no slice.
        offline: Make no request; the attribute of that name can be set later.
        revalidate: Ask whether each file changed, absent ones included.
        accept_changes: Replace changed files in cache and lock.
        clock: Source of time.
    """

    def __init__(
        self,
        base: str,
        folder: Path,
        lock: Path,
        settings: Transfer,
        check: Callable[[bytes], object],
        *,
        offline: bool = False,
        revalidate: bool = False,
        accept_changes: bool = False,
        clock: Clock = REAL_TIME,
    ) -> None:
        if offline and revalidate:
            raise InputError("nothing can be revalidated offline; leave out one of the two")
        self._base = parse_base(base)
        self._cache = Cache(folder, place(self._base))
        self._lock = lock
        self._settings = settings
        self._check = check
        self.offline = offline
        self._revalidate = revalidate
        self._accept = accept_changes
        self._clock = clock
        self._client: Client | None = None
        self._entries: dict[str, Entry] = {}
        self._recorded: dict[str, Entry] = {}
        self._asked: set[str] = set()

    @property
    def known(self) -> int:
        """Number of files that the lock records, absent ones included."""
        return len(self._recorded)

    @property
    def requests(self) -> int:
        """Requests made so far, repeated ones included."""
        return self._client.requests if self._client else 0

    @property
    def received(self) -> int:
        """Bytes of bodies received so far."""
        return self._client.received if self._client else 0

    def __enter__(self) -> Self:
        try:
            self._cache.open()
            for left in self._lock.parent.glob(f".{self._lock.name}.partial-*"):
                left.unlink()  # of a killed process; it lies where DVC would see it
            self._recorded = read_lock(self._lock)
        except OSError as error:
            self._cache.close()
            raise self._unwritable(error) from None
        except BaseException:
            self._cache.close()
            raise
        self._entries = dict(self._recorded)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if self._client:
                self._client.close()
            if self._entries != self._recorded:
                write_lock(self._lock, self._entries)
                self._recorded = dict(self._entries)
        except OSError as failure:
            raise InputError(
                f"{self._lock}: cannot be written ({failure.strerror}); make it writable"
            ) from None
        finally:
            self._cache.close()

    def get(self, path: str) -> bytes | None:
        """Give the bytes of a file such as `cases/case21/ct1/010.gif`.

        Returns:
            Its bytes, or None where the server has no such file.

        Raises:
            Unreachable: all attempts failed, or it is not in the cache while offline.
            Refused: the server refuses requests; make no more.
            Invalid: the server's file is no slice.
            Changed: the server's file differs from what the lock records.
            InputError: the path leads out of the atlas, or the cache cannot be written.
        """
        name = check_path(path)
        try:
            if name not in self._entries and self._cache.absent(name):
                self._entries[name] = Entry.of(None)
            cached = self._trusted(name)
            if not self._revalidate or name in self._asked:
                entry = self._entries.get(name)
                if cached is not None or (entry is not None and entry.absent):
                    return cached
            return self._ask(name, cached)
        except OSError as error:
            raise self._unwritable(error) from None

    def _trusted(self, name: str) -> bytes | None:
        # The cached bytes if they match the lock; a file that it lacks is recorded.
        entry = self._entries.get(name)
        cached = None if entry and entry.absent else self._cache.read(name)
        if cached is None:
            return None
        if entry is None:
            return self._first(name, cached)
        if Entry.of(cached) != entry:
            self._tell(name, "the cached copy is not that of the lock, and is fetched anew")
            return None
        return cached

    def _first(self, name: str, cached: bytes) -> bytes | None:
        # Left by a process that was killed before it wrote the lock.
        try:
            self._check(cached)
        except ValueError as error:
            self._tell(name, f"the cached copy is damaged ({error}), and is fetched anew")
            return None
        self._entries[name] = Entry.of(cached)
        return cached

    def _tell(self, name: str, what: str) -> None:
        if not self.offline:
            sys.stderr.write(f"{self._url(name)}: {what}\n")

    def _ask(self, name: str, cached: bytes | None) -> bytes | None:
        if self.offline:
            raise Unreachable(
                f"{self._url(name)}: the cache {self._cache.folder} has no copy that the lock "
                "knows; fetch it with `tfsdiff atlas fetch`"
            )
        known = self._cache.validators(name, Entry.of(cached)) if cached else UNKNOWN
        answer = self._fetch(name, known)
        self._asked.add(name)
        if answer.unchanged:
            return cached
        found = Entry.of(answer.data)
        self._compare(name, found)
        if found.absent:
            self._cache.keep_absence(name)
        else:
            self._cache.keep(name, found, answer.validators)
        self._entries[name] = found
        return answer.data

    def _fetch(self, name: str, known: Validators) -> Answer:
        if self._client is None:
            self._client = Client(str(self._base), self._settings, self._clock)
        partial = self._cache.partial(name)
        answer = self._client.fetch(name, partial, known, self._check)
        entry = self._entries.get(name)
        if answer.resumed and entry and Entry.of(answer.data) != entry:
            partial.discard()  # the parts may be of two versions, so all is fetched once more
            answer = self._client.fetch(name, partial, known, self._check)
        return answer

    def _compare(self, name: str, found: Entry) -> None:
        entry = self._entries.get(name)
        if entry is None or entry == found or self._accept:
            return
        self._cache.partial(name).discard()
        raise Changed(
            f"{self._url(name)}: changed on the server: sha256 {entry.sha256[:12]} in "
            f"{self._lock}, {found.sha256[:12]} now; see why, then record it with `{ACCEPT}`"
        )

    def _url(self, name: str) -> str:
        return f"{self._base}/{name}"

    def _unwritable(self, error: OSError) -> InputError:
        return InputError(
            f"{self._cache.folder}: cannot be used as cache ({error.strerror}); make room and give "
            f"the right to write there, or set {VARIABLE} to another folder"
        )
