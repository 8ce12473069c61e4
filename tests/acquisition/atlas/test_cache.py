import json
from pathlib import Path

import platformdirs
import pytest

from tfsdiff.acquisition.atlas.cache import (
    TERMS,
    UNKNOWN,
    Begun,
    Cache,
    Partial,
    Validators,
    default_folder,
)
from tfsdiff.acquisition.atlas.lock import Entry
from tfsdiff.common.errors import InputError

NAME = "cases/case1/mr1/010.gif"
VERSION = Validators('"a"', "Fri, 01 Jan 1999 00:00:00 GMT")


@pytest.fixture
def cache(tmp_path):
    cache = Cache(tmp_path / "atlas", "a.org/AANLIB")
    cache.open()
    yield cache
    cache.close()


def put(cache, data, name=NAME, version=VERSION):
    partial = cache.partial(name)
    partial.begin(version, len(data))
    partial.path.write_bytes(data)
    cache.keep(name, Entry.of(data), version)


def test_folder_is_the_users_own(monkeypatch, tmp_path):
    monkeypatch.delenv("TFSDIFF_CACHE", raising=False)
    assert default_folder() == Path(platformdirs.user_cache_dir("tfsdiff")) / "atlas"
    monkeypatch.setenv("TFSDIFF_CACHE", str(tmp_path))
    assert default_folder() == tmp_path / "atlas"
    monkeypatch.setenv("TFSDIFF_CACHE", "")
    assert default_folder().is_absolute()


def test_terms_are_shown_at_first_use_only(tmp_path, capsys):
    for expected in (TERMS, ""):
        cache = Cache(tmp_path / "atlas", "a.org/AANLIB")
        cache.open()
        cache.close()
        assert capsys.readouterr().err == expected
    for words in ("Whole Brain Atlas", "K. A. Johnson and J. A. Becker", "not redistribute",
                  "Cite", "not for clinical"):  # fmt: skip
        assert words in " ".join(TERMS.split())


def test_layout(cache, tmp_path):
    assert cache.read(NAME) is None
    put(cache, b"abc")
    assert cache.read(NAME) == b"abc"
    folder = tmp_path / "atlas" / "a.org" / "AANLIB" / "cases/case1/mr1"
    assert {path.name for path in folder.iterdir()} == {"010.gif", ".010.gif.json"}
    note = json.loads((folder / ".010.gif.json").read_text())
    assert note == {
        "sha256": Entry.of(b"abc").sha256,
        "etag": VERSION.etag,
        "last_modified": VERSION.last_modified,
    }


def test_validators_are_those_of_the_very_bytes(cache):
    put(cache, b"abc")
    assert cache.validators(NAME, Entry.of(b"abc")) == VERSION
    assert cache.validators(NAME, Entry.of(b"other")) == UNKNOWN
    assert cache.validators("none.gif", Entry.of(b"abc")) == UNKNOWN


@pytest.mark.parametrize("text", ["", "[]", "{", '{"etag": 3}', "\xff"])
def test_a_damaged_note_only_costs_a_request(cache, text):
    put(cache, b"abc")
    (cache.root / NAME).with_name(".010.gif.json").write_text(text, encoding="latin-1")
    assert cache.validators(NAME, Entry.of(b"abc")) == UNKNOWN
    assert cache.read(NAME) == b"abc"


def test_absence_is_noted_until_there_is_a_file(cache):
    put(cache, b"abc")
    assert not cache.absent(NAME)
    cache.keep_absence(NAME)
    cache.keep_absence(NAME)
    assert cache.absent(NAME)
    assert cache.read(NAME) is None
    put(cache, b"abc")
    assert not cache.absent(NAME)


def test_one_at_a_time(cache):
    other = Cache(cache.folder, "b.org")
    with pytest.raises(InputError, match="another download is under way; wait"):
        other.open()
    cache.close()
    other.open()
    other.close()


def test_files_of_a_killed_writer_are_cleared(cache):
    put(cache, b"abc")
    left = (cache.root / NAME).with_name(".010.gif.json.partial-123")
    left.write_text("{")
    cache.close()
    cache.open()
    assert not left.exists()
    assert cache.read(NAME) == b"abc"


@pytest.mark.parametrize(
    ("version", "exact"),
    [
        (Validators('"a"', "date"), '"a"'),
        (Validators('W/"a"', "date"), "date"),
        (Validators('W/"a"'), None),
        (UNKNOWN, None),
    ],
)
def test_what_parts_can_be_put_together_by(tmp_path, version, exact):
    assert version.exact == exact
    partial = Partial(tmp_path / "a.gif")
    partial.begin(version, 9)
    assert partial.begun() is None  # nothing came yet
    partial.path.write_bytes(b"abc")
    assert partial.begun() == (Begun(3, version, 9) if exact else None)
    partial.begin(version, None)
    assert partial.path.read_bytes() == b""
    partial.discard()
    partial.discard()
    assert list(tmp_path.iterdir()) == []


def test_conditions():
    assert VERSION.conditions() == {
        "If-None-Match": '"a"',
        "If-Modified-Since": "Fri, 01 Jan 1999 00:00:00 GMT",
    }
    assert UNKNOWN.conditions() == {}
