import itertools
import os
import signal
import threading
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

import atlas_server as at
from tfsdiff.acquisition.atlas.answers import redirection
from tfsdiff.acquisition.atlas.cache import TERMS
from tfsdiff.acquisition.atlas.connection import USER_AGENT, Clock, parse_base, place
from tfsdiff.acquisition.atlas.decode import decode
from tfsdiff.acquisition.atlas.lock import Entry, read_lock, write_lock
from tfsdiff.acquisition.atlas.transfer import Changed, Invalid, Refused, Store, Unreachable
from tfsdiff.common.errors import InputError, exit_code
from tfsdiff.params import Transfer

SIDE = 16
NAME = "cases/case1/mr1/010.gif"
ELSEWHERE = "cases/case1/mr1/moved.gif"
SETTINGS = Transfer(
    requests_per_second=1000,
    timeout_seconds=10,
    file_seconds=20,
    attempts=3,
    first_wait_seconds=0.001,
    longest_wait_seconds=30,
    largest_bytes=20000,
)
HASTY = {"timeout_seconds": 0.4, "attempts": 2}
SHORT = {"file_seconds": 0.4, "attempts": 2}
PATIENT = {"attempts": 5}  # where a busy machine may be late once more


def gif(tmp_path, seed=0, frames=1, side=SIDE):
    random = np.random.default_rng(seed)
    first, *others = (
        Image.fromarray(random.integers(0, 256, (side, side), dtype=np.uint8))
        for _ in range(frames)
    )
    path = tmp_path / "made.gif"
    first.save(path, "GIF", save_all=bool(others), append_images=others)
    return path.read_bytes()


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture
def good(tmp_path):
    return gif(tmp_path)


@pytest.fixture
def new(tmp_path):
    return gif(tmp_path, seed=1)


@pytest.fixture
def server(good):
    with at.AtlasServer({NAME: good, ELSEWHERE: good}) as server:
        yield server


class Atlas:
    """A server, and a user's cache and lock."""

    def __init__(self, server, folder):
        self.server = server
        self.folder = folder / "cache"
        self.lock = folder / "lock.csv"
        self.folder.mkdir()
        (self.folder / "TERMS.txt").write_text(TERMS)
        write_lock(self.lock, {})

    def store(self, settings=SETTINGS, **options):
        def check(data):
            decode(data, SIDE)

        return Store(self.server.base, self.folder, self.lock, settings, check, **options)

    def get(self, name=NAME, settings=SETTINGS, **options):
        with self.store(settings, **options) as store:
            return store.get(name)

    @property
    def root(self):
        return self.folder / f"127.0.0.1_{self.server.port}" / at.ROOT

    def files(self):
        return {path.relative_to(self.root) for path in self.root.rglob("*") if path.is_file()}

    def tree(self):
        return {name: (self.root / name).read_bytes() for name in self.files()}


NOTE = {".010.gif.json"}
BOTH = {"010.gif", *NOTE}


@pytest.fixture
def atlas(server, tmp_path):
    return Atlas(server, tmp_path)


def settings(**changes):
    return SETTINGS.model_copy(update=changes)


@dataclass(frozen=True)
class Trouble:
    """A fault, and what must come of it."""

    name: str
    faults: object  # list of faults, made with the right and another file's bytes, or callable
    error: type[InputError] | None = None  # None: the right bytes
    words: str = ""  # of the message
    requests: int | None = None
    change: dict = field(default_factory=dict)  # of the settings

    def __str__(self):
        return self.name


def always(fault):
    return itertools.repeat(fault)


def cut(exchange):
    """Half the file, resumable."""
    at.broken_off(300)(exchange)


def unlocked(exchange):
    """Half the file, and nothing by which its version could be told."""
    at.broken_off(300, ETag=None, Last_Modified=None)(exchange)


def weak(exchange):
    at.broken_off(300, ETag='W/"x"', Last_Modified=None)(exchange)


def cookie(exchange):
    exchange.answer(503, b"no", Set_Cookie="a=b; Path=/")


SOON = "Fri, 01 Jan 1999 00:00:00 GMT"  # over, so no wait
FAR = "Fri, 01 Jan 2100 00:00:00 GMT"

RECOVERED = [
    Trouble("500", [at.status(500)] * 2, requests=3),
    Trouble("502 and 504", [at.status(502), at.status(504)], requests=3),
    Trouble("503, Retry-After in seconds", [at.status(503, Retry_After=0)], requests=2),
    Trouble("503, Retry-After as date", [at.status(503, Retry_After=SOON)], requests=2),
    Trouble("503, Retry-After nonsense", [at.status(503, Retry_After="soon")], requests=2),
    Trouble("429", [at.status(429, Retry_After=0)], requests=2),
    Trouble("no answer", [at.silent], change=HASTY | PATIENT),
    Trouble("body stalls", [at.stalled(300)], change=HASTY | PATIENT),
    Trouble("truncated body", [cut], requests=2),
    Trouble("truncated twice", [cut, at.broken_off(100)], requests=3),
    Trouble("truncated, no validators", [unlocked], requests=2),
    Trouble("truncated, weak ETag alone", [weak], requests=2),
    Trouble("truncated, no length", [at.unannounced(300)], requests=2),
    Trouble("truncated, chunked", [at.chunked(300)], requests=2),
    Trouble("no length", [at.unannounced()], requests=1),
    Trouble("chunked", [at.chunked()], requests=1),
    Trouble("announces too little", [lambda e: e.answer(200, e.data, Content_Length=300)]),
    Trouble("announces too much",
            [lambda e: (e.answer(200, e.data, Content_Length=9999), e.close())]),
    Trouble("wrong content type", [at.mistyped], requests=1),
    Trouble("HTML page with 200", [at.html], requests=2),
    Trouble("empty body", [at.body(b"")], requests=2),
    Trouble("no content", [at.status(204, Content_Length=None)]),
    Trouble("gzip, unasked", [at.zipped], requests=2),
    Trouble("one byte at a time", [at.dribbled(0.02)], change=SHORT | PATIENT),
    Trouble("one byte at a time, no length",
            [at.dribbled(0.02, Content_Length=None, Connection="close")], change=SHORT | PATIENT),
    Trouble("headers without end", [at.dribbled_head(0.02)], change=SHORT | PATIENT),
    Trouble("reset before the answer", [at.reset()], requests=2),
    Trouble("reset within the body", [at.reset(300)], requests=2),
    Trouble("no HTTP", [at.raw(b"220 FTP ready\r\n")], requests=2),
    Trouble("closed without a word", [at.raw(b"")], requests=2),
    Trouble("redirect within the host", [at.redirect("moved.gif", 301)], requests=2),
    Trouble("redirect within, absolute", [at.redirect(f"/{at.ROOT}/{ELSEWHERE}", 307)], requests=2),
    Trouble("part: wrong start", [cut, at.ranged("bytes 0-9/99", bytes(10))], requests=3),
    Trouble("part: wrong total",
            [cut, at.ranged("bytes 300-309/310", bytes(10))], requests=3),
    Trouble("part: no Content-Range", [cut, at.ranged("none")], requests=3),
    Trouble("part: other length than its range",
            [cut, lambda e: e.answer(206, e.data[300:-5], ETag=e.etag,
                                     Content_Range=f"bytes 300-{len(e.data) - 1}/{len(e.data)}")]),
    Trouble("part: 416", [cut, at.status(416)], requests=3),
    Trouble("part: whole file instead", [cut, lambda e: e.answer(200, e.data)], requests=2),
    Trouble("part unasked", [at.ranged("bytes 0-9/10", bytes(10))], requests=2),
    Trouble("304 unasked", [lambda e: e.head(304)], requests=2),
    Trouble("sets a cookie", [cookie], requests=2),
]  # fmt: skip

LINES = [
    Trouble("500 for ever", always(at.status(500)), Unreachable, "answered 500", 3),
    Trouble("429 for ever", always(at.status(429)), Unreachable, "answered 429", 3),
    Trouble("Retry-After too long", [at.status(503, Retry_After=4000)], Refused, "longest_wait", 1),
    Trouble("Retry-After absurd", [at.status(503, Retry_After="9" * 4000)], Refused, "longest", 1),
    Trouble("Retry-After in 2100", [at.status(429, Retry_After=FAR)], Refused, "longest_wait", 1),
    Trouble("never an answer", always(at.silent), Unreachable, "no data for", 2, HASTY),
    Trouble("truncated for ever", always(at.broken_off(3)), Unreachable, "broke off", 3),
    Trouble("truncated, no validators, for ever", always(unlocked), Unreachable, "broke off", 3),
    Trouble("too slow, no length", always(at.dribbled(0.02, Content_Length=None)),
            Unreachable, "too slow", 2, SHORT),
    Trouble("too slow", always(at.dribbled(0.02)), Unreachable, "too slow", 2, SHORT),
    Trouble("headers for ever", always(at.dribbled_head(0.02)), Unreachable, "too slow", 2, SHORT),
    Trouble("time over before the connection is there", always(at.dribbled_head(0.02)),
            Unreachable, "too slow", None, {"file_seconds": 1e-6, "attempts": 2}),
    Trouble("reset for ever", always(at.reset()), Unreachable, "broke off", 3),
    Trouble("no HTTP ever", always(at.raw(b"\0\xff\n\x1b[31m\n\n")), Unreachable, "broke off", 3),
    Trouble("HTML for ever", always(at.html), Invalid, "an HTML page", 3),
    Trouble("empty for ever", always(at.body(b"")), Invalid, "empty", 3),
    Trouble("gzip for ever", always(at.zipped), Invalid, "gzip", 3),
    Trouble("no image", always(at.body(b"\x7fELF" * 99)), Invalid, "neither GIF nor PNG", 3),
    Trouble("truncated, no length, for ever", always(at.unannounced(300)), Invalid, "cut off", 3),
    Trouble("10 GB announced", [at.announced(10 * 10**9)], Invalid, "largest_bytes", 1),
    Trouble("endless body", [at.endless], Invalid, "largest_bytes", 1),
    Trouble("part of a larger file",
            [cut, lambda e: e.answer(206, bytes(9), Content_Length=10**9, ETag=None,
                                     Content_Range=f"bytes 300-{len(e.data) - 1}/{len(e.data)}")],
            Invalid, "largest_bytes", 2),
    Trouble("401", [at.status(401)], Refused, "answered 401", 1),
    Trouble("403", [at.status(403)], Refused, "answered 403", 1),
    Trouble("451", [at.status(451)], Refused, "answered 451", 1),
    Trouble("redirect to another host",
            [at.redirect("http://example.org/a.gif")], Refused, "another host", 1),
    Trouble("redirect to another port",
            [at.redirect("http://127.0.0.1:1/a.gif")], Refused, "another host", 1),
    Trouble("redirect to a file", [at.redirect("file:///etc/passwd")], Refused, "another host", 1),
    Trouble("redirect with a password",
            [at.redirect("//u:p@127.0.0.1/a.gif")], Refused, "another host", 1),
    Trouble("redirect to nowhere", [at.redirect(None)], Refused, "nowhere", 1),
    Trouble("redirect to no address",
            always(at.redirect("http://a:b/")), Unreachable, "Invalid URL in location header", 3),
    Trouble("redirect loop", always(at.redirect("010.gif")), Refused, "redirects more than 5", 6),
]  # fmt: skip


# Those that end with a time that is over, of which the fast tests wait for two.
WAITING = {trouble.name for trouble in (*RECOVERED, *LINES) if {*SHORT, *HASTY} & {*trouble.change}}
WAITING -= {"body stalls", "too slow", "time over before the connection is there"}


def cases(troubles):
    slow = [pytest.mark.slow]
    return [pytest.param(one, marks=slow if one.name in WAITING else []) for one in troubles]


@pytest.mark.parametrize("trouble", cases(RECOVERED), ids=str)
def test_recovers_with_the_right_bytes(atlas, good, trouble):
    atlas.server.fail(NAME, trouble.faults)
    assert atlas.get(settings=settings(**trouble.change)) == good
    assert (atlas.root / NAME).read_bytes() == good
    assert {path.name for path in atlas.files()} == {"010.gif", ".010.gif.json"}
    assert read_lock(atlas.lock) == {NAME: Entry.of(good)}
    assert trouble.requests in (None, len(atlas.server.requests))
    assert not any("cookie" in request.headers for request in atlas.server.requests)


@pytest.mark.parametrize("trouble", cases(LINES), ids=str)
def test_ends_with_one_clear_line(atlas, capsys, trouble):
    check_line(atlas, capsys, trouble)


def check_line(atlas, capsys, trouble, **options):
    atlas.server.fail(NAME, trouble.faults)
    raised = []

    def action():
        try:
            atlas.get(settings=settings(**trouble.change), **options)
        except InputError as error:
            raised.append(error)
            raise

    assert exit_code(action) == 1
    assert type(raised[0]) is trouble.error
    (line,) = capsys.readouterr().err.splitlines()
    assert line.isprintable()
    assert line.startswith(f"error: {atlas.server.base}/{NAME}: ")
    assert trouble.words in line
    assert len(line) < 500
    assert trouble.requests in (None, len(atlas.server.requests))
    # Nothing half-written: what may stay is the beginning from which the next run goes on.
    kept = {".010.gif.partial", ".010.gif.partial.json"} if trouble.error is Unreachable else set()
    assert {path.name for path in atlas.files()} in (set(), kept)
    assert read_lock(atlas.lock) == {}


@pytest.mark.parametrize("side", [3000, 65535])
def test_bomb(atlas, capsys, tmp_path, side):
    bomb = bytearray(gif(tmp_path))
    bomb[6:10] = side.to_bytes(2, "little") * 2  # logical screen
    trouble = Trouble("bomb", always(at.body(bytes(bomb))), Invalid, "announces", 3)
    check_line(atlas, capsys, trouble)


def test_animation(atlas, capsys, tmp_path):
    film = gif(tmp_path, frames=3)
    trouble = Trouble("film", always(at.body(film)), Invalid, "more than one frame", 3)
    check_line(atlas, capsys, trouble)


def test_no_server(atlas, capsys):
    with at.AtlasServer({}) as other:
        pass
    atlas.server = other
    check_line(atlas, capsys, Trouble("refused", [], Unreachable, "no connection", 0))


@pytest.mark.parametrize("code", [404, 410])
def test_gap(atlas, code):
    atlas.server.fail(NAME, always(at.status(code)))
    assert atlas.get() is None
    assert atlas.get() is None
    lock = atlas.lock.read_bytes()
    write_lock(atlas.lock, {})
    assert atlas.get(offline=True) is None  # the cache knows it without the lock, too
    assert atlas.lock.read_bytes() == lock
    assert len(atlas.server.requests) == 1
    assert read_lock(atlas.lock) == {NAME: Entry(0, "absent")}
    assert {path.name for path in atlas.files()} == NOTE


def test_a_part_of_another_version_is_not_put_behind_ours(atlas, good, new):
    # If-Range ignored: 206 with the rest of the new version, told by its ETag, or not at all.
    atlas.server.fail(NAME, [cut])
    with pytest.raises(Unreachable):
        atlas.get(settings=settings(attempts=1))
    atlas.server.files[NAME] = new
    whole = f"bytes 300-{len(new) - 1}/{len(new)}"
    atlas.server.fail(NAME, [lambda e: e.answer(206, new[300:], ETag=e.etag, Content_Range=whole)])
    assert atlas.get() == new


def test_parts_that_do_not_give_the_locked_bytes_are_fetched_whole(atlas, good):
    write_lock(atlas.lock, {NAME: Entry.of(good)})
    whole = f"bytes 300-{len(good) - 1}/{len(good)}"
    atlas.server.fail(NAME, [cut, at.ranged(whole, bytes(len(good) - 300))])
    with Store(atlas.server.base, atlas.folder, atlas.lock, SETTINGS, check=len) as store:
        assert store.get(NAME) == good
    assert len(atlas.server.requests) == 3


def test_other_version_while_resuming(atlas, good, new):
    atlas.server.fail(NAME, [cut])
    with pytest.raises(Unreachable):
        atlas.get(settings=settings(attempts=1))
    atlas.server.files[NAME] = new
    assert atlas.get() == new
    assert atlas.server.requests[-1].headers["range"] == "bytes=300-"


def test_resumes_what_an_earlier_run_left(atlas, good):
    atlas.server.fail(NAME, [cut])
    with pytest.raises(Unreachable):
        atlas.get(settings=settings(attempts=1))
    assert {path.name for path in atlas.files()} == {".010.gif.partial", ".010.gif.partial.json"}
    with atlas.store() as store:
        assert store.get(NAME) == good
        assert store.received == len(good) - 300
    last = atlas.server.requests[-1].headers
    assert last["range"] == "bytes=300-"
    assert last["if-range"].startswith('"')


def test_resumes_by_date_where_there_is_no_strong_etag(atlas, good):
    atlas.server.fail(NAME, [at.broken_off(300, ETag='W/"x"'), lambda e: e.well(ETag='W/"x"')])
    assert atlas.get() == good
    assert atlas.server.requests[-1].headers["if-range"] == at.MODIFIED


def test_damaged_note_of_a_partial_file_starts_anew(atlas, good):
    atlas.server.fail(NAME, [cut])
    with pytest.raises(Unreachable):
        atlas.get(settings=settings(attempts=1))
    (atlas.root / NAME).with_name(".010.gif.partial.json").write_text('{"etag": "a\\r\\nb"}')
    assert atlas.get() == good
    assert "range" not in atlas.server.requests[-1].headers


def test_one_connection_named_and_plain(atlas, good):
    names = [f"cases/case2/mr1/{number:03d}.gif" for number in range(12)]
    atlas.server.files |= dict.fromkeys(names[:8], good)  # four are gaps
    with atlas.store() as store:
        assert [store.get(name) for name in names] == [good] * 8 + [None] * 4
        assert store.requests == 12
    assert atlas.server.connections == 1
    headers = atlas.server.requests[0].headers
    assert headers["user-agent"] == USER_AGENT
    assert USER_AGENT.startswith("tfsdiff/")
    assert headers["accept-encoding"] == "identity"


def test_a_kept_connection_that_was_closed_is_opened_anew(atlas, good):
    names = [f"cases/case1/mr1/{number:03d}.gif" for number in range(4)]
    atlas.server.files |= dict.fromkeys(names, good)
    for name in names:
        atlas.server.fail(name, [at.closing])
    with atlas.store() as store:
        assert [store.get(name) for name in names] == [good] * 4
    assert atlas.server.connections == 4


def test_a_verified_file_needs_no_request(atlas, good):
    atlas.get()
    with atlas.store() as store:
        assert store.get(NAME) == good
        assert store.requests == 0
    assert atlas.get(offline=True) == good
    assert len(atlas.server.requests) == 1


def test_a_file_that_the_lock_does_not_know_yet_is_checked_and_recorded(atlas, good):
    atlas.get()
    locked = atlas.lock.read_bytes()
    write_lock(atlas.lock, {})
    assert atlas.get(offline=True) == good
    assert atlas.lock.read_bytes() == locked


def test_damaged_copy_is_fetched_anew(atlas, good, new, capsys):
    for damage in (good[:-9], new):
        for lock in (True, False):
            if not lock and damage == new:
                continue  # nothing could tell
            atlas.get()
            (atlas.root / NAME).write_bytes(damage)
            if not lock:
                write_lock(atlas.lock, {})
            assert atlas.get() == good
            assert (atlas.root / NAME).read_bytes() == good
            (line,) = capsys.readouterr().err.splitlines()
            assert line.startswith(f"{atlas.server.base}/{NAME}: the cached copy is ")


def test_damaged_copy_offline(atlas, good, new):
    atlas.get()
    (atlas.root / NAME).write_bytes(new)
    with pytest.raises(Unreachable, match="has no copy that the lock knows; fetch it with"):
        atlas.get(offline=True)
    assert len(atlas.server.requests) == 1


def test_offline_without_copy(atlas):
    with pytest.raises(Unreachable, match="tfsdiff atlas fetch"):
        atlas.get(offline=True)
    with pytest.raises(InputError, match="revalidated offline"):
        atlas.store(offline=True, revalidate=True)
    assert atlas.server.requests == []


def test_absent_in_the_lock_needs_no_request(atlas):
    write_lock(atlas.lock, {NAME: Entry(0, "absent")})
    assert atlas.get() is None
    assert atlas.get(offline=True) is None
    assert atlas.server.requests == []


def changed(atlas, before, now, files, **options):
    """Assert that the change is an error that changes nothing, and is recorded when accepted."""
    lock = atlas.lock.read_bytes()
    with pytest.raises(Changed) as caught:
        atlas.get(**options)
    message = str(caught.value)
    assert message.startswith(f"{atlas.server.base}/{NAME}: changed on the server: sha256 ")
    for part in (Entry.of(before).sha256[:12], Entry.of(now).sha256[:12], "--accept-changes"):
        assert part in message
    assert atlas.lock.read_bytes() == lock
    assert {path.name for path in atlas.files()} == files
    if before is not None and files:
        assert (atlas.root / NAME).read_bytes() == before
    assert atlas.get(accept_changes=True, **options) == now
    assert read_lock(atlas.lock) == {NAME: Entry.of(now)}
    assert atlas.get(offline=True) == now
    assert {path.name for path in atlas.files()} == (NOTE if now is None else BOTH)


def test_changed_bytes_against_the_lock(atlas, good, new):
    write_lock(atlas.lock, {NAME: Entry.of(good)})
    atlas.server.files[NAME] = new
    changed(atlas, good, new, set())


def test_gone_against_the_lock(atlas, good):
    write_lock(atlas.lock, {NAME: Entry.of(good)})
    del atlas.server.files[NAME]
    changed(atlas, good, None, set())


def test_changed_bytes_found_by_asking(atlas, good, new):
    atlas.get()
    atlas.server.files[NAME] = new
    assert atlas.get() == good  # not asked
    changed(atlas, good, new, BOTH, revalidate=True)


def test_gone_found_by_asking(atlas, good):
    atlas.get()
    del atlas.server.files[NAME]
    changed(atlas, good, None, BOTH, revalidate=True)


def test_appeared_found_by_asking(atlas, good):
    del atlas.server.files[NAME]
    atlas.get()
    atlas.server.files[NAME] = good
    changed(atlas, None, good, NOTE, revalidate=True)


@pytest.mark.parametrize("etag", [True, False])
def test_unchanged_is_answered_by_304(atlas, good, etag):
    atlas.server.fail(NAME, [None if etag else lambda e: e.well(ETag=None)])
    atlas.get()
    before = atlas.tree(), atlas.lock.read_bytes()
    with atlas.store(revalidate=True) as store:
        assert store.get(NAME) == good
        assert store.get(NAME) == good  # asked once a run
        assert store.requests == 1
        assert store.received == 0
    headers = atlas.server.requests[-1].headers
    assert ("if-none-match" in headers) == etag
    assert headers["if-modified-since"] == at.MODIFIED
    assert (atlas.tree(), atlas.lock.read_bytes()) == before


def test_same_bytes_with_200_are_no_change(atlas, good):
    atlas.server.fail(NAME, always(lambda e: e.answer(200, e.data)))
    atlas.get()
    before = atlas.tree(), atlas.lock.read_bytes()
    assert atlas.get(revalidate=True) == good
    assert len(atlas.server.requests) == 2
    assert (atlas.tree(), atlas.lock.read_bytes()) == before


def test_still_absent_when_asked_anew(atlas):
    del atlas.server.files[NAME]
    atlas.get()
    assert atlas.get(revalidate=True) is None
    assert len(atlas.server.requests) == 2


def test_a_damaged_copy_is_not_asked_for_conditionally(atlas, good, new):
    atlas.get()
    (atlas.root / NAME).write_bytes(new)
    assert atlas.get(revalidate=True) == good


@pytest.mark.parametrize(
    "name", ["../a.gif", "cases/../../a.gif", "/etc/passwd", "a\\b", "a//b", ".x", "a b", "", "a\n"]
)
def test_names_that_lead_out_are_never_asked_for(atlas, name):
    with pytest.raises(InputError, match="no path of the atlas"):
        atlas.get(name)
    assert atlas.server.requests == []


@pytest.mark.parametrize(
    "base",
    ["", "ftp://a.org/x", "file:///x", "http://", "http://u:p@a.org", "http://a.org/a b",
     "http://a.org/x?y", "http://../x", f"http://{'a' * 64}.org/x", "http://[/", "a.org/x"],
)  # fmt: skip
def test_bases_that_are_no_address(tmp_path, base):
    with pytest.raises(InputError, match=r"data\.base|no path of the atlas"):
        Store(base, tmp_path, tmp_path / "lock.csv", SETTINGS, len)


def test_where_files_lie_follows_the_base():
    assert place(parse_base("http://www.med.harvard.edu/AANLIB")) == "www.med.harvard.edu/AANLIB"
    assert place(parse_base("https://A.org:8443/x/y/")) == "a.org_8443/x/y"


def test_one_process_at_a_time(atlas):
    with (
        atlas.store(),
        pytest.raises(InputError, match="another download is under way"),
        atlas.store(),
    ):
        pytest.fail("entered twice")
    assert atlas.get() is not None


def test_missing_lock_leaves_the_cache_free(atlas):
    atlas.lock.unlink()
    with pytest.raises(InputError, match="path,bytes,sha256"):
        atlas.get()
    write_lock(atlas.lock, {})
    atlas.get()


def test_cache_that_cannot_be_written(atlas, tmp_path):
    (atlas.root).mkdir(parents=True)
    (atlas.root / "cases").write_text("a file where a folder must be")
    with pytest.raises(InputError, match=r"cannot be used as cache .* TFSDIFF_CACHE"):
        atlas.get()


def test_the_lock_is_written_however_the_run_ends(atlas, good):
    atlas.server.fail(NAME, [at.status(403)])
    with pytest.raises(Refused), atlas.store() as store:
        assert [store.get(name) for name in (ELSEWHERE, NAME)] == []
    assert read_lock(atlas.lock) == {ELSEWHERE: Entry.of(good)}


@pytest.mark.parametrize(
    ("here", "there", "followed"),
    [
        ("http://a.org/x", "https://a.org/y", True),
        ("http://a.org/x", "https://a.org:444/y", False),
        ("https://a.org/x", "http://a.org/y", False),
        ("http://a.org:81/x", "https://a.org/y", False),
        ("http://a.org/x", "http://b.a.org/y", False),
        ("http://a.org/x", "http://A.ORG:80/y", True),
        ("http://a.org/x", "http://u:p@a.org/y", False),
    ],
)
def test_redirects_are_followed_within_the_host(here, there, followed):
    response = httpx.Response(302, request=httpx.Request("GET", here))
    response.next_request = httpx.Request("GET", there)
    if followed:
        assert redirection(here, response) == there
    else:
        with pytest.raises(Refused, match="another host"):
            redirection(here, response)


class Simulated:
    """Time that only passes in sleeps."""

    def __init__(self):
        self.time = 0.0
        self.sleeps = []
        self.clock = Clock(lambda: self.time, self._sleep, lambda: 1e9 + self.time)

    def _sleep(self, seconds):
        self.sleeps.append(seconds)
        self.time += seconds


def test_rate_holds_for_all_requests(atlas, good):
    simulated, starts = Simulated(), []

    def noted(exchange):
        starts.append(simulated.time)
        answers = [at.status(500), at.redirect("moved.gif"), at.Exchange.well]
        answers[(len(starts) - 1) % 3](exchange)

    names = [f"cases/case1/mr1/{number:03d}.gif" for number in range(4)]
    atlas.server.files |= dict.fromkeys(names, good)
    for name in [*names, ELSEWHERE]:
        atlas.server.fail(name, always(noted))
    with atlas.store(settings(requests_per_second=2), clock=simulated.clock) as store:
        for name in names:
            assert store.get(name) == good
    assert len(starts) == len(atlas.server.requests) == 12
    gaps = np.diff(starts)
    assert (gaps >= 0.5 - 1e-9).all()
    assert np.median(gaps) < 0.51  # and not much slower


def waits(atlas):
    simulated = Simulated()
    atlas.server.fail(NAME, always(at.status(500)))
    slow = settings(attempts=9, first_wait_seconds=1, requests_per_second=1e9)
    with pytest.raises(Unreachable, match="9 attempts"):
        atlas.get(settings=slow, clock=simulated.clock)
    return [seconds for seconds in simulated.sleeps if seconds > 1e-6]  # others are the rate's


def test_back_off_doubles_up_to_the_longest(atlas, monkeypatch):
    bounds = [1, 2, 4, 8, 16, 30, 30, 30]
    jittered = waits(atlas)
    assert len(set(jittered)) == len(bounds)
    assert (np.array(jittered) < bounds).all()
    monkeypatch.setattr("random.uniform", lambda low, high: high)
    assert waits(atlas) == bounds
    monkeypatch.setattr("random.uniform", lambda low, high: low)
    assert waits(atlas) == []  # full jitter: down to none at all


@pytest.mark.parametrize(
    ("value", "least"), [("20", 20), ("Sun, 09 Sep 2001 01:47:05 GMT", 24)], ids=["seconds", "date"]
)
def test_retry_after_is_honoured(atlas, good, value, least):
    simulated = Simulated()  # it is Sun, 09 Sep 2001 01:46:40 GMT
    atlas.server.fail(NAME, [at.status(503, Retry_After=value)])
    assert atlas.get(clock=simulated.clock) == good
    assert least <= max(simulated.sleeps) <= 30


def interrupt_at(monkeypatch, at_step):
    """Raise KeyboardInterrupt at the n-th step on the disk, before it is done."""
    left = itertools.count(1)
    for owner, name in ((Path, "replace"), (Path, "unlink"), (Path, "touch"), (os, "fsync")):
        original = getattr(owner, name)

        def step(*given, original=original, **options):
            if next(left) == at_step:
                raise KeyboardInterrupt
            return original(*given, **options)

        monkeypatch.setattr(owner, name, step)


@pytest.mark.slow
def test_interrupted_at_any_step_on_the_disk(atlas, tmp_path, good, new, monkeypatch):
    third = "cases/case1/mr1/011.gif"
    atlas.server.files[third] = new

    def run(to, **options):
        atlas.server.fail(NAME, [cut])
        with to.store(**options) as store:
            return [store.get(name) for name in (ELSEWHERE, NAME, "cases/gap.gif", third)]

    (tmp_path / "undisturbed").mkdir()
    undisturbed = Atlas(atlas.server, tmp_path / "undisturbed")
    assert run(undisturbed) == [good, good, None, new]
    interrupted = 0
    for step in range(1, 200):
        folder = tmp_path / str(step)
        folder.mkdir()
        disturbed = Atlas(atlas.server, folder)
        with monkeypatch.context() as patch:
            interrupt_at(patch, step)
            try:
                run(disturbed)
                break
            except KeyboardInterrupt:
                interrupted += 1
        read_lock(disturbed.lock)
        whole = {path: data for path, data in disturbed.tree().items() if path.name[0] != "."}
        assert whole == {p: d for p, d in undisturbed.tree().items() if p in whole}
        assert run(disturbed) == [good, good, None, new]
        assert disturbed.tree() == undisturbed.tree()
        assert disturbed.lock.read_bytes() == undisturbed.lock.read_bytes()
    assert interrupted > 15


def test_interrupted_within_a_body(atlas, good):
    came = threading.Event()
    atlas.server.fail(NAME, [at.held(came, 300)])

    def interrupt():
        came.wait(10)
        os.kill(os.getpid(), signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a CI may ignore it
    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        atlas.get()
    thread.join()
    signal.signal(signal.SIGINT, before)
    assert {path.name for path in atlas.files()} == {".010.gif.partial", ".010.gif.partial.json"}
    assert atlas.get() == good
    assert atlas.server.requests[-1].headers["range"] == "bytes=300-"
