"""Validated reading of the server's responses, and the errors that may follow."""

import contextlib
import email.utils
import re
from datetime import UTC

import httpx

from tfsdiff.acquisition.atlas.cache import Validators
from tfsdiff.common.errors import InputError

DRAINED_BYTES = 65536  # of an unneeded body, read so that the connection can be reused
CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,15})-([0-9]{1,15})/([0-9]{1,15})")


class Unreachable(InputError):  # noqa: N818 (a state of the server)
    """The file could not be fetched in all attempts; a later run may succeed."""


class Refused(InputError):  # noqa: N818
    """The server refuses requests: nothing else must be requested in this run."""


class Invalid(InputError):  # noqa: N818
    """What the server sends under this address is no slice."""


def content_range(response: httpx.Response) -> tuple[int, int, int] | None:
    """First byte, last byte and size of the whole, of a part; None where they are not given."""
    found = CONTENT_RANGE.fullmatch(response.headers.get("content-range", ""))
    if found is None:
        return None
    start, end, total = (int(part) for part in found.groups())
    return start, end, total


def announced(response: httpx.Response) -> int | None:
    """Length of the body in bytes, if announced in advance."""
    length = response.headers.get("content-length", "")
    if "transfer-encoding" in response.headers or not re.fullmatch(r"[0-9]{1,20}", length):
        return None
    return int(length)


def validators(response: httpx.Response) -> Validators:
    """Which version of the file the answer is about."""
    return Validators(response.headers.get("etag"), response.headers.get("last-modified"))


def coding(response: httpx.Response) -> str | None:
    """Content encoding of the body; None: plain."""
    name = response.headers.get("content-encoding", "").strip().lower()
    return None if name in ("", "identity") else shown(name)


def drain(response: httpx.Response) -> None:
    """Read the rest of a small, unneeded body."""
    length = announced(response)
    if length is not None and length <= DRAINED_BYTES:
        with contextlib.suppress(httpx.TransportError):  # the body is not needed
            for _ in response.iter_raw():
                pass


def redirection(url: str, response: httpx.Response) -> httpx.URL:
    """Where a redirect leads: on the same server, or on the same host behind https.

    Raises:
        Refused: it leads elsewhere, or nowhere.
    """
    if response.next_request is None:
        raise Refused(f"{url}: redirects to nowhere; look at it in a browser, and set data.base")
    here, there = response.request.url, response.next_request.url
    upgraded = here.copy_with(scheme="https") if here.port is None else here
    servers = [(address.scheme, address.host, address.port) for address in (here, upgraded)]
    if (there.scheme, there.host, there.port) not in servers or there.userinfo:
        raise Refused(
            f"{url}: redirects to another host ({shown(str(there))}), which is not followed; if "
            "the atlas has moved there, set data.base to it"
        )
    return there


def retry_after(response: httpx.Response, now: float) -> float:
    """Seconds that the server asks to wait, given as such or as a date; 0 where it does not."""
    value = response.headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]+", value):
        return float(value[:300])
    try:
        moment = email.utils.parsedate_to_datetime(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now
    except (ValueError, TypeError, OverflowError):  # neither form: treated as no request to wait
        return 0


def shown(words: str) -> str:
    """Make text from a server safe for one line of an error message."""
    text = " ".join(words.split()).encode("ascii", "backslashreplace").decode()
    text = "".join(sign if sign.isprintable() else "?" for sign in text)
    return text if len(text) <= 120 else f"{text[:117]}..."
