import pytest

from tfsdiff.acquisition.atlas.lock import Entry, check_path, read_lock, write_lock
from tfsdiff.common.errors import InputError

SHA = "ab" * 32
HEADER = "path,bytes,sha256\n"


def test_round_trip_is_sorted(tmp_path):
    path = tmp_path / "lock.csv"
    entries = {
        "cases/case2/ct1/010.gif": Entry.of(b"abc"),
        "cases/case1/ct1/010.gif": Entry.of(None),
    }
    write_lock(path, entries)
    assert path.read_text() == (
        HEADER + "cases/case1/ct1/010.gif,0,absent\n"
        "cases/case2/ct1/010.gif,3,"
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\n"  # FIPS 180-2, B.1
    )
    assert read_lock(path) == entries
    assert list(tmp_path.iterdir()) == [path]


def test_a_header_alone_is_an_empty_lock(tmp_path):
    path = tmp_path / "lock.csv"
    path.write_text(HEADER)
    assert read_lock(path) == {}
    write_lock(path, {})
    assert path.read_text() == HEADER


def test_absent():
    assert Entry.of(None).absent
    assert not Entry.of(b"x").absent


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "line 1 must be"),
        ("path,sha256\n", "line 1 must be"),
        (HEADER + "a.gif,3\n", "line 2: 2 columns"),
        (HEADER + f"a.gif,3,{SHA}\n\n", "line 3: 0 columns"),
        (HEADER + f"a.gif,-3,{SHA}\n", "line 2: bytes '-3'"),
        (HEADER + f"a.gif,٣,{SHA}\n", "line 2: bytes"),
        (HEADER + f"a.gif,3,{SHA.upper()}\n", "line 2: sha256"),
        (HEADER + f"a.gif,3,{SHA[:-1]}\n", "line 2: sha256"),
        (HEADER + "a.gif,3,absent\n", "line 2: 3 bytes"),
        (HEADER + f"a.gif,0,{SHA}\n", "line 2: 0 bytes"),
        (HEADER + f"a.gif,3,{SHA}\n" * 2, "line 3: a.gif is listed twice"),
        (HEADER + f"../a.gif,3,{SHA}\n", "line 2: '../a.gif' is no path"),
        (HEADER + f'"a.gif,3,{SHA}\n', "no CSV"),
    ],
)
def test_damaged_lock(tmp_path, text, words):
    path = tmp_path / "lock.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="restore it from the history") as caught:
        read_lock(path)
    assert str(caught.value).startswith(f"{path}: {words}")
    assert "\n" not in str(caught.value)


def test_binary_and_missing_lock(tmp_path):
    path = tmp_path / "lock.csv"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="no CSV"):
        read_lock(path)
    with pytest.raises(InputError, match=r"cannot be read \(No such file or directory\)"):
        read_lock(tmp_path / "none.csv")


BAD = [
    "..", "../a", "a/../b", "/a", "a//b", "a/", "./a", ".a", "a/.b", "a\\b", "C:a", "a b", "ä",
    "a\n", "a%2e", "",
]  # fmt: skip


@pytest.mark.parametrize("path", BAD)
def test_paths_that_lead_out(tmp_path, path):
    with pytest.raises(InputError, match="is no path of the atlas"):
        check_path(path)
    lock = tmp_path / "lock.csv"
    with pytest.raises(InputError):
        write_lock(lock, {path: Entry.of(b"x")})
    assert not lock.exists()


@pytest.mark.parametrize("path", ["a", "cases/caseSLU2/tc1/010.gif", "A_b-c/0.1.png"])
def test_paths_of_the_atlas(path):
    assert check_path(path) == path
