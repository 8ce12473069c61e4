"""The only connection to the atlas server: rate-limited, with deadlines and checked redirects."""

import contextlib
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import httpx

from tfsdiff import __version__
from tfsdiff.acquisition.atlas.answers import Refused, drain, redirection, shown
from tfsdiff.acquisition.atlas.lock import check_path
from tfsdiff.common.errors import InputError
from tfsdiff.params import Transfer

USER_AGENT = f"tfsdiff/{__version__} (research; image fusion experiments)"
REDIRECTS = 5  # followed, at most
REDIRECTING = (301, 302, 303, 307, 308)
HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9-]{1,63})*")


@dataclass(frozen=True)
class Clock:
    """Sources of time, which tests replace by their own."""

    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], float] = time.time


REAL_TIME = Clock()


class Connection:
    """Sends one request after another; at most `requests_per_second` begin in a second."""

    def __init__(self, settings: Transfer, clock: Clock = REAL_TIME) -> None:
        self.requests = 0
        self._settings = settings
        self._clock = clock
        self._next_start = -float("inf")
        self._cutter = _Cutter()
        self._http = httpx.Client(
            headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            timeout=settings.timeout_seconds,
            limits=httpx.Limits(max_connections=1, max_keepalive_connections=1),
            trust_env=True,  # for the proxy and the certificates of a hospital
        )

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    @contextlib.contextmanager
    def get(self, url: str, headers: dict[str, str]) -> Iterator[httpx.Response]:
        """Request `url`, following redirects; the body is read within the block.

        Raises:
            Refused: a redirect leads to another host, or there is no end of them.
            httpx.TransportError: no answer, a broken one, or, with `expired`, one that took longer
                than `file_seconds`.
        """
        address = httpx.URL(url)
        for _ in range(REDIRECTS + 1):
            self._pace()
            self.requests += 1
            with self._stream(address, headers) as response:
                if response.status_code not in REDIRECTING:
                    yield response
                    return
                address = redirection(url, response)
                drain(response)
        raise Refused(f"{url}: redirects more than {REDIRECTS} times; set data.base to its end")

    @property
    def expired(self) -> bool:
        """Whether the last response was cut; without a known length a cut looks like its end."""
        return self._cutter.expired

    def reason(self, error: httpx.TransportError | None = None) -> str:
        """Describe why the last request failed."""
        if error is None or self.expired:
            limit = self._settings.file_seconds
            return f"too slow, not complete after {limit:g} s (transfer.file_seconds)"
        if isinstance(error, httpx.TimeoutException):
            return f"no data for {self._settings.timeout_seconds:g} s"
        if isinstance(error, httpx.ConnectError):
            return f"no connection ({shown(str(error))})"
        return (
            f"the answer broke off, or there was none ({shown(str(error)) or type(error).__name__})"
        )

    @contextlib.contextmanager
    def _stream(self, address: httpx.URL, headers: dict[str, str]) -> Iterator[httpx.Response]:
        extensions = {"trace": self._cutter.trace}
        with (
            self._cutter.after(self._settings.file_seconds),
            self._http.stream("GET", address, headers=headers, extensions=extensions) as response,
        ):
            yield response

    def _pace(self) -> None:
        now = self._clock.monotonic()
        if now < self._next_start:
            self._clock.sleep(self._next_start - now)
        start = max(now, self._next_start)
        self._next_start = start + 1 / self._settings.requests_per_second


class _Cutter:
    """Cuts the connection when an attempt takes too long.

    The timeouts of an HTTP library apply between two chunks, of headers as well, so a server that
    sends one byte a second never exceeds them.
    """

    def __init__(self) -> None:
        self.expired = False
        self._stream: Any = None

    def trace(self, event: str, info: dict[str, Any]) -> None:
        """Record new connections (the extension `trace` of httpcore)."""
        if event.endswith((".connect_tcp.complete", ".start_tls.complete")):
            self._stream = info["return_value"]
            if self.expired:
                self._cut()

    @contextlib.contextmanager
    def after(self, seconds: float) -> Iterator[None]:
        self.expired = False
        timer = threading.Timer(seconds, self._expire)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()  # a cut in progress must not hit the next attempt

    def _expire(self) -> None:
        self.expired = True
        self._cut()

    def _cut(self) -> None:
        connection = self._stream.get_extra_info("socket") if self._stream else None
        if connection is not None:
            with contextlib.suppress(OSError):  # closed already
                # Not `connection.shutdown`, which would take the TLS layer from under the reader.
                socket.socket.shutdown(connection, socket.SHUT_RDWR)


def parse_base(base: str) -> httpx.URL:
    """Parse the address of the atlas: http or https, a host, and a path of names.

    Raises:
        InputError: it is another kind of address.
    """
    try:
        url = httpx.URL(base.rstrip("/"))
        host = HOST.fullmatch(url.host)
        plain = not (url.userinfo or url.query or url.fragment)
    except (httpx.InvalidURL, UnicodeError):
        url, host, plain = None, None, False
    if url is None or url.scheme not in ("http", "https") or not host or not plain:
        raise InputError(f"data.base: {base!r} is no address like http://www.example.org/AANLIB")
    if url.path.strip("/"):
        check_path(url.path.strip("/"))
    return url


def place(base: httpx.URL) -> str:
    """Name the folder of an atlas in the cache: HOST or HOST_PORT, and the path."""
    port = f"_{base.port}" if base.port else ""
    return f"{base.host}{port}/{base.path.strip('/')}"
