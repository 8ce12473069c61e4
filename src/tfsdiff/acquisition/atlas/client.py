"""One file from the server: retried where that may help, and resumed where it broke off.

Attempts are separated by exponential back-off with full jitter. Bytes received before a break are
kept under a stable name, and only the rest is requested if ETag or date show that the version is
the same. A response is accepted only if its status, its length and finally its bytes are right. The
announced content type is ignored: old servers announce wrong ones, and an HTML page of type
image/gif is still no image.
"""

from collections.abc import Callable
from dataclasses import dataclass

import httpx
import tenacity

from tfsdiff.acquisition.atlas.answers import (
    Invalid,
    Refused,
    Unreachable,
    announced,
    coding,
    content_range,
    drain,
    retry_after,
    shown,
    validators,
)
from tfsdiff.acquisition.atlas.cache import UNKNOWN, Begun, Partial, Validators
from tfsdiff.acquisition.atlas.connection import REAL_TIME, Clock, Connection, parse_base
from tfsdiff.acquisition.atlas.lock import check_path
from tfsdiff.common.errors import InputError
from tfsdiff.params import Transfer

GONE = (404, 410)
TRANSIENT = (408, 425, 429)  # and all of 500 to 599
PAGE = (b"<!doctype html", b"<html")


@dataclass(frozen=True)
class Answer:
    """The final response of the server."""

    data: bytes | None = None  # None: there is no such file, or it is unchanged
    unchanged: bool = False
    resumed: bool = False  # the bytes came in more than one response
    validators: Validators = UNKNOWN


class Client:
    """Requests files below `base`. The methods raise `Unreachable`, `Refused` and `Invalid`."""

    def __init__(self, base: str, settings: Transfer, clock: Clock = REAL_TIME) -> None:
        self.base = parse_base(base)
        self.received = 0  # bytes of bodies
        self._settings = settings
        self._clock = clock
        self._connection = Connection(settings, clock)

    @property
    def requests(self) -> int:
        """Requests made so far, repeated and redirected ones included."""
        return self._connection.requests

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def fetch(
        self, name: str, partial: Partial, known: Validators, check: Callable[[bytes], object]
    ) -> Answer:
        """Request the file `name`, as often as the settings allow.

        Args:
            name: Path below the base.
            partial: Where its bytes are written; the whole file lies there in the end.
            known: Validators of the copy at hand; if given, the answer may be that it is unchanged.
            check: Raises `ValueError`, in a few words, for bytes to be rejected.
        """
        url = f"{self.base}/{check_path(name)}"
        retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(self._settings.attempts),
            wait=self._wait,
            retry=tenacity.retry_if_exception_type(_TransientError),
            sleep=self._clock.sleep,
            reraise=True,
        )
        try:
            return retrying(self._attempt, url, partial, known, check)
        except BaseException as error:
            if partial.begun() is None:  # nothing that the next process could resume
                partial.discard()
            if isinstance(error, _TransientError):
                raise self._final(url, error) from None
            raise

    def _wait(self, state: tenacity.RetryCallState) -> float:
        back_off = tenacity.wait_random_exponential(
            multiplier=self._settings.first_wait_seconds, max=self._settings.longest_wait_seconds
        )
        error = state.outcome.exception()
        return max(back_off(state), error.wait if isinstance(error, _TransientError) else 0)

    def _final(self, url: str, error: "_TransientError") -> InputError:
        attempts = self._settings.attempts
        tried = f"{attempts} attempts" if attempts > 1 else "1 attempt"
        if error.invalid:
            return Invalid(f"{url}: {error} ({tried}); look at it in a browser, and run this later")
        return Unreachable(
            f"{url}: {error} ({tried}); check the network and data.base, then run this again: "
            "what came so far is kept"
        )

    def _attempt(
        self, url: str, partial: Partial, known: Validators, check: Callable[[bytes], object]
    ) -> Answer:
        try:
            answer = self._answer(url, partial, known)
        except httpx.TransportError as error:
            raise _TransientError(self._connection.reason(error)) from None
        if answer.data is not None:
            _check(answer.data, partial, check)
        return answer

    def _answer(self, url: str, partial: Partial, known: Validators) -> Answer:
        begun = partial.begun()
        with self._connection.get(url, _conditions(begun, known)) as response:
            status = response.status_code
            if status in GONE:
                drain(response)
                partial.discard()
                return Answer()
            if status == 304 and begun is None and known != UNKNOWN:
                partial.discard()
                return Answer(unchanged=True)
            if status == 200:
                return self._whole(url, response, partial)
            if begun is None or status not in (206, 416):
                raise self._unexpected(url, response)
            if _goes_on(response, begun):
                return self._rest(url, response, partial, begun)
        partial.discard()  # another version, or an inconsistent response
        return self._answer(url, partial, known)

    def _whole(self, url: str, response: httpx.Response, partial: Partial) -> Answer:
        self._check_announcement(url, response, partial, announced(response))
        version = validators(response)
        partial.begin(version, announced(response))
        data = self._receive(url, response, partial, 0)
        return Answer(data, validators=version)

    def _rest(self, url: str, response: httpx.Response, partial: Partial, begun: Begun) -> Answer:
        total = begun.size + (announced(response) or 0)
        self._check_announcement(url, response, partial, total)
        data = self._receive(url, response, partial, begun.size)
        if (begun.size, len(data) - 1, len(data)) != content_range(response):
            partial.discard()
            raise _TransientError("sent a part of another size than it announced")
        return Answer(data, resumed=True, validators=begun.validators)

    def _check_announcement(
        self, url: str, response: httpx.Response, partial: Partial, total: int | None
    ) -> None:
        if encoding := coding(response):
            raise _TransientError(f"sent in the encoding {encoding}, unasked", invalid=True)
        if total is not None and total > self._settings.largest_bytes:
            raise self._too_large(url, partial, f"announces {total} bytes")

    def _receive(self, url: str, response: httpx.Response, partial: Partial, size: int) -> bytes:
        with partial.path.open("ab") as stream:
            for piece in response.iter_raw():
                size += len(piece)
                self.received += len(piece)
                if size > self._settings.largest_bytes:
                    raise self._too_large(url, partial, "sends more and more")
                stream.write(piece)
                stream.flush()  # for the process that resumes, should this one be killed
        if self._connection.expired:
            raise _TransientError(self._connection.reason())
        return partial.path.read_bytes()

    def _too_large(self, url: str, partial: Partial, found: str) -> Invalid:
        partial.discard()
        limit = self._settings.largest_bytes
        return Invalid(
            f"{url}: {found}, but a slice has at most {limit} (transfer.largest_bytes); look at it "
            "in a browser"
        )

    def _unexpected(self, url: str, response: httpx.Response) -> Exception:
        status = response.status_code
        if status < 400:
            return _TransientError(f"answered {status}, which was not asked for")
        if status < 500 and status not in TRANSIENT:
            return Refused(
                f"{url}: answered {status}; the server refuses such requests: ask who runs it, or "
                "set data.base to another copy"
            )
        wait = retry_after(response, self._clock.now())
        longest = self._settings.longest_wait_seconds
        if wait > longest:
            return Refused(
                f"{url}: answered {status} and asks to wait longer than {longest:g} s "
                "(transfer.longest_wait_seconds); run this again later"
            )
        drain(response)
        return _TransientError(f"answered {status}", wait=wait)


class _TransientError(Exception):
    """Worth another attempt."""

    def __init__(self, reason: str, wait: float = 0, invalid: bool = False) -> None:
        super().__init__(reason)
        self.wait = wait
        self.invalid = invalid


def _check(data: bytes, partial: Partial, check: Callable[[bytes], object]) -> None:
    try:
        if not data:
            raise ValueError("empty")
        if data[:64].lstrip().lower().startswith(PAGE):
            raise ValueError("an HTML page")
        check(data)
    except ValueError as error:
        partial.discard()
        raise _TransientError(f"no slice: {shown(str(error))}", invalid=True) from None


def _conditions(begun: Begun | None, known: Validators) -> dict[str, str]:
    if begun is None:
        return known.conditions()
    return {"Range": f"bytes={begun.size}-", "If-Range": begun.validators.exact or ""}


def _goes_on(response: httpx.Response, begun: Begun) -> bool:
    # Checked although If-Range was sent: a server may ignore it, and a part of another version must
    # not be appended to ours.
    part = content_range(response)
    if response.status_code != 206 or part is None:
        return False
    start, end, total = part
    ours, here = begun.validators, validators(response)
    said = ((begun.total, total), (ours.etag, here.etag), (ours.last_modified, here.last_modified))
    same = all(None in pair or pair[0] == pair[1] for pair in said)
    return same and (start, end) == (begun.size, total - 1)
