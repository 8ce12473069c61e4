"""A server of atlas files on loopback that misbehaves where it is told to.

Well-behaved it knows keep-alive, ETag, Last-Modified, 304, Range and If-Range. `faults` lists for a
path what happens to its requests, one after the other; when the list is used up, or where it holds
None, the request is answered well (`itertools.repeat` gives a fault without end). A fault is a
function of the `Exchange`, which it may answer byte by byte.

From the command line: `python tests/support/atlas_server.py FOLDER --port N`.
"""

import argparse
import contextlib
import email.utils
import gzip
import hashlib
import http.server
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = "AANLIB"
MODIFIED = email.utils.formatdate(925000000, usegmt=True)  # some day in 1999
PAGE = b"<!DOCTYPE html>\n<html><body><h1>Not found</h1></body></html>\n"
TYPES = {".gif": "image/gif", ".png": "image/png"}


@dataclass(frozen=True)
class Request:
    """One line of the log."""

    path: str  # below the base, where it is there
    headers: Mapping[str, str]  # names in lower case


class Exchange:
    """One request and the connection on which its answer goes."""

    def __init__(self, handler, path: str, data: bytes | None, stopping: threading.Event) -> None:
        self.path = path
        self.data = data
        self.headers = {name.lower(): value for name, value in handler.headers.items()}
        self.stopping = stopping
        self._handler = handler

    @property
    def etag(self) -> str:
        return f'"{hashlib.sha256(self.data).hexdigest()[:16]}"'

    def head(self, status: int, **fields: object) -> None:
        """Send status line and headers; `Content_Length=3` is Content-Length: 3, None none."""
        said = {name.replace("_", "-"): value for name, value in fields.items()}
        lines = [f"HTTP/1.1 {status} Whatever"]
        lines += [f"{name}: {value}" for name, value in said.items() if value is not None]
        self.send("\r\n".join([*lines, "", ""]).encode("latin-1"))

    def answer(self, status: int, body: bytes = b"", **fields: object) -> None:
        self.head(status, **{"Content_Length": len(body)} | fields)
        self.send(body)

    def send(self, data: bytes) -> None:
        self._handler.wfile.write(data)

    def close(self) -> None:
        """End the connection after this answer, without saying so before."""
        self._handler.close_connection = True

    def reset(self) -> None:
        """Break the connection off, so that the client sees a reset."""
        linger = struct.pack("ii", 1, 0)
        self._handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._handler.connection.close()
        self.close()

    def wait(self, seconds: float) -> bool:
        """Wait; False: the server is being stopped."""
        return not self.stopping.wait(seconds)

    def well(self, data: bytes | None = None, **fields: object) -> None:
        """Answer as a good server does, with `data` as the file."""
        self.data = self.data if data is None else data
        if self.data is None:
            self.answer(404, PAGE, Content_Type="text/html")
            return
        kind = TYPES.get(Path(self.path).suffix, "application/octet-stream")
        fields = {"ETag": self.etag, "Last_Modified": MODIFIED, "Content_Type": kind} | fields
        if self._unchanged():
            self.head(304, **fields)
            return
        start = self._start()
        if start == 0:
            self.answer(200, self.data, **fields)
        elif start >= len(self.data):
            self.answer(416, Content_Range=f"bytes */{len(self.data)}")
        else:
            total = len(self.data)
            part = f"bytes {start}-{total - 1}/{total}"
            self.answer(206, self.data[start:], Content_Range=part, **fields)

    def _unchanged(self) -> bool:
        if "if-none-match" in self.headers:
            return self.headers["if-none-match"] == self.etag
        return self.headers.get("if-modified-since") == MODIFIED

    def _start(self) -> int:
        wanted = self.headers.get("range", "")
        if self.headers.get("if-range", self.etag) not in (self.etag, MODIFIED):
            return 0
        return int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0


Fault = Callable[[Exchange], None]


def status(code: int, **fields: object) -> Fault:
    return lambda exchange: exchange.answer(code, b"no", **fields)


def body(data: bytes, **fields: object) -> Fault:
    """Other bytes than the file's, well sent."""
    return lambda exchange: exchange.answer(200, data, **fields)


def other(data: bytes) -> Fault:
    """Another version of the file, with its own ETag, and resumable."""
    return lambda exchange: exchange.well(data)


def html(exchange: Exchange) -> None:
    exchange.answer(200, PAGE, Content_Type="text/html")


def mistyped(exchange: Exchange) -> None:
    exchange.well(Content_Type="text/plain")


def zipped(exchange: Exchange) -> None:
    exchange.answer(200, gzip.compress(exchange.data), Content_Encoding="gzip")


def silent(exchange: Exchange) -> None:
    """Take the request and never answer."""
    exchange.wait(60)
    exchange.close()


def raw(data: bytes) -> Fault:
    """Bytes in place of any HTTP, then the end."""

    def fault(exchange: Exchange) -> None:
        exchange.send(data)
        exchange.close()

    return fault


def broken_off(count: int, **fields: object) -> Fault:
    """Announce the whole file, send `count` bytes of it, and close."""

    def fault(exchange: Exchange) -> None:
        _begin(exchange, fields)
        exchange.send(exchange.data[:count])
        exchange.close()

    return fault


def unannounced(count: int | None = None) -> Fault:
    """Send the file (or `count` bytes of it) without length: it ends with the connection."""

    def fault(exchange: Exchange) -> None:
        exchange.head(200, Connection="close")
        exchange.send(exchange.data[:count])
        exchange.close()

    return fault


def chunked(count: int | None = None) -> Fault:
    """Send the file in chunks; with `count`, stop after so many bytes."""

    def fault(exchange: Exchange) -> None:
        exchange.head(200, Transfer_Encoding="chunked", ETag=exchange.etag)
        sent = exchange.data[:count]
        for start in range(0, len(sent), 50):
            piece = sent[start : start + 50]
            exchange.send(b"%x\r\n%s\r\n" % (len(piece), piece))
        if count is None:
            exchange.send(b"0\r\n\r\n")
        else:
            exchange.close()

    return fault


def reset(count: int | None = None) -> Fault:
    """Reset the connection: before the status line, or after `count` bytes of the body."""

    def fault(exchange: Exchange) -> None:
        if count is not None:
            _begin(exchange, {})
            exchange.send(exchange.data[:count])
            exchange.wait(0.05)  # else the reset overtakes the bytes
        exchange.reset()

    return fault


def stalled(count: int) -> Fault:
    """Send `count` bytes of the body, then nothing, and keep the connection."""

    def fault(exchange: Exchange) -> None:
        _begin(exchange, {})
        exchange.send(exchange.data[:count])
        silent(exchange)

    return fault


def dribbled(seconds: float, **fields: object) -> Fault:
    """One byte of the body every so many seconds; goes on from where it is asked to."""

    def fault(exchange: Exchange) -> None:
        _begin(exchange, fields)
        for value in exchange.data:
            exchange.send(bytes([value]))
            if not exchange.wait(seconds):
                break

    return fault


def dribbled_head(seconds: float) -> Fault:
    """Headers without end, a byte at a time."""

    def fault(exchange: Exchange) -> None:
        exchange.send(b"HTTP/1.1 200 OK\r\nX-Long: ")
        while exchange.wait(seconds):
            exchange.send(b"x")
        exchange.close()

    return fault


def announced(length: int) -> Fault:
    """Announce a body of `length` bytes and begin to send zeros."""

    def fault(exchange: Exchange) -> None:
        exchange.head(200, Content_Length=length, ETag='"long"')
        exchange.send(bytes(1000))
        silent(exchange)

    return fault


def endless(exchange: Exchange) -> None:
    """Send until the client has enough, without saying how much it will be."""
    exchange.head(200, Connection="close", ETag='"endless"')
    while not exchange.stopping.is_set():
        exchange.send(bytes(4096))
    exchange.close()


def closing(exchange: Exchange) -> None:
    """Answer well, then close a connection that was to be kept."""
    exchange.well()
    exchange.close()


def redirect(location: str | None, code: int = 302) -> Fault:
    return lambda exchange: exchange.answer(code, b"there", Location=location)


def ranged(text: str, data: bytes | None = None, code: int = 206, **fields: object) -> Fault:
    """Answer with `data` (the file) and the Content-Range `text`, whatever was asked for."""

    def fault(exchange: Exchange) -> None:
        sent = exchange.data if data is None else data
        exchange.answer(code, sent, Content_Range=text, **fields)

    return fault


def held(event: threading.Event, count: int | None) -> Fault:
    """Send `count` bytes of the body (None: nothing at all), set `event`, and wait."""

    def fault(exchange: Exchange) -> None:
        if count is not None:
            _begin(exchange, {})
            exchange.send(exchange.data[:count])
            exchange.wait(0.1)  # so that the client has them
        event.set()
        silent(exchange)

    return fault


def _begin(exchange: Exchange, fields: Mapping[str, object]) -> None:
    start = exchange._start()
    total = len(exchange.data)
    exchange.data, whole = exchange.data[start:], exchange.data
    etag = f'"{hashlib.sha256(whole).hexdigest()[:16]}"'
    fields = {"ETag": etag, "Last_Modified": MODIFIED, "Content_Length": total - start} | fields
    if start:
        exchange.head(206, Content_Range=f"bytes {start}-{total - 1}/{total}", **fields)
    else:
        exchange.head(200, **fields)


class AtlasServer:
    """Serve `files` (path below the base: bytes) on a free port, or on `port`, while entered."""

    def __init__(
        self,
        files: Mapping[str, bytes],
        faults: Mapping[str, Iterable[Fault | None]] | None = None,
        port: int = 0,
    ) -> None:
        self.files = dict(files)
        self.requests: list[Request] = []
        self.connections = 0
        self._faults = {path: iter(faults) for path, faults in (faults or {}).items()}
        self._stopping = threading.Event()
        self._guard = threading.Lock()
        self._open: set[socket.socket] = set()
        self._server = _Server(("127.0.0.1", port), _handler(self))
        self.port = self._server.server_address[1]
        self.base = f"http://127.0.0.1:{self.port}/{ROOT}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}
        )

    def __enter__(self) -> "AtlasServer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._server.shutdown()
        self._thread.join()
        with self._guard:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        self._server.server_close()

    def fail(self, path: str, faults: Iterable[Fault | None]) -> None:
        """Let the next requests for `path` go wrong."""
        self._faults[path] = iter(faults)

    def asked(self, path: str | None = None) -> list[Request]:
        """The requests so far, of one path."""
        return [request for request in self.requests if path in (None, request.path)]

    def answer(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        path = handler.path.removeprefix(f"/{ROOT}/")
        exchange = Exchange(handler, path, self.files.get(path), self._stopping)
        with self._guard:
            self.requests.append(Request(path, exchange.headers))
            fault = next(self._faults.get(path, iter(())), None)
        (fault or Exchange.well)(exchange)

    def opened(self, connection: socket.socket) -> None:
        with self._guard:
            self.connections += 1
            self._open.add(connection)

    def closed(self, connection: socket.socket) -> None:
        with self._guard:
            self._open.discard(connection)


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = False  # joined at the end, so that no test leaves one behind
    request_queue_size = 50

    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exception(), OSError):  # a client that goes away is what we are for
            super().handle_error(request, client_address)


def _handler(server: AtlasServer) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def setup(self) -> None:
            super().setup()
            server.opened(self.connection)

        def finish(self) -> None:
            server.closed(self.connection)
            super().finish()

        def do_GET(self) -> None:
            server.answer(self)

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def main() -> None:
    parser = argparse.ArgumentParser(description="Serve a folder as an atlas on loopback.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--port", type=int, default=0)
    arguments = parser.parse_args()
    files = {
        path.relative_to(arguments.folder).as_posix(): path.read_bytes()
        for path in sorted(arguments.folder.rglob("*"))
        if path.is_file()
    }
    with AtlasServer(files, port=arguments.port) as server, contextlib.suppress(KeyboardInterrupt):
        sys.stdout.write(f"{len(files)} files at {server.base}\n")
        sys.stdout.flush()
        while True:
            time.sleep(3600)


if __name__ == "__main__":
    main()
