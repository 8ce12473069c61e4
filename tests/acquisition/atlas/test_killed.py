"""Killed at eleven points and restarted, a download ends with the bytes of an undisturbed one."""

import subprocess
import sys
import threading
from dataclasses import dataclass

import numpy as np
import pytest

import atlas_server as at
from tfsdiff.acquisition.atlas.lock import read_lock, write_lock

NAMES = [f"cases/case1/mr1/{number:03d}.gif" for number in range(12)]
GAP = "cases/case1/mr1/gap.gif"
BYTES = 3000

# Fetches what it is told, and kills itself before or after the n-th renaming, if it is told.
PROGRAM = """
import os, signal, sys
from pathlib import Path
from tfsdiff.acquisition.atlas.transfer import Store
from tfsdiff.params import Transfer

base, folder, lock, renaming, when, *names = sys.argv[1:]
left, replace = int(renaming), Path.replace

def killing(path, target):
    global left
    left -= 1
    if left == 0 and when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    replace(path, target)
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

Path.replace = killing
settings = Transfer(
    requests_per_second=1000, timeout_seconds=20, file_seconds=60, attempts=3,
    first_wait_seconds=0, longest_wait_seconds=1, largest_bytes=10**6,
)

def check(data):
    if data[:6] != b"GIF89a" or data[-1:] != b";":
        raise ValueError("no GIF")

with Store(base, Path(folder), Path(lock), settings, check) as store:
    for name in names:
        store.get(name)
"""


@dataclass(frozen=True)
class InBody:
    """Killed when the server has sent `count` bytes of a file's body (None: not even a header)."""

    file: int
    count: int | None


@dataclass(frozen=True)
class AtRenaming:
    """Killed by itself, before or after its n-th renaming."""

    number: int
    when: str


# Fresh, a file is renamed into place after its two notes: 3 renamings a file, 1 for the terms.
POINTS = [
    AtRenaming(1, "before"),  # not even the terms are there
    InBody(0, None),
    InBody(0, 1),
    InBody(0, 1500),  # of the rest of the same file
    AtRenaming(2, "before"),  # the note of the whole file, after its rest came
    InBody(3, 2999),
    AtRenaming(1, "after"),  # begun anew or gone on with: a note is there, the file is not
    AtRenaming(6, "before"),
    InBody(9, 1000),
    AtRenaming(8, "before"),  # the last file came, and is not in place
    AtRenaming(4, "before"),  # all files are there, the lock is not
]


class Download:
    def __init__(self, server, folder):
        self.server = server
        self.folder = folder / "cache"
        self.lock = folder / "lock.csv"
        folder.mkdir()
        write_lock(self.lock, {})

    def start(self, renaming=0, when="never"):
        arguments = [self.server.base, self.folder, self.lock, renaming, when]
        return subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *map(str, arguments), *NAMES[:6], GAP, *NAMES[6:]],
            stderr=subprocess.PIPE,
            text=True,
        )

    def finish(self):
        process = self.start()
        errors = process.communicate(timeout=60)[1]
        assert process.returncode == 0, errors

    def killed(self, point):
        if isinstance(point, AtRenaming):
            process = self.start(point.number, point.when)
        else:
            sent = threading.Event()
            self.server.fail(NAMES[point.file], [at.held(sent, point.count)])
            process = self.start()
            assert sent.wait(60)
            process.kill()
        errors = process.communicate(timeout=60)[1]
        assert process.returncode == -9, errors

    def whole(self):
        """Files that are in place, by their path below the base."""
        root = self.folder / f"127.0.0.1_{self.server.port}" / at.ROOT
        paths = [path for path in root.rglob("*") if path.is_file() and path.name[0] != "."]
        return {path.relative_to(root).as_posix(): path.read_bytes() for path in paths}

    def all_bytes(self):
        paths = [path for path in self.folder.rglob("*") if path.is_file()]
        found = {path.relative_to(self.folder).as_posix(): path.read_bytes() for path in paths}
        return found | {"lock": self.lock.read_bytes()}


@pytest.fixture
def server():
    random = np.random.default_rng(1)
    files = {name: b"GIF89a" + random.bytes(BYTES - 7) + b";" for name in NAMES}
    with at.AtlasServer(files) as server:
        yield server


@pytest.mark.slow
def test_killed_at_eleven_points(server, tmp_path):
    undisturbed = Download(server, tmp_path / "undisturbed")
    undisturbed.finish()
    assert undisturbed.whole() == server.files
    server.requests.clear()

    download = Download(server, tmp_path / "killed")
    complete = {}
    for point in POINTS:
        before = len(server.requests)
        download.killed(point)
        asked = {request.path for request in server.requests[before:]}
        assert not asked & set(complete), f"{point}: asked again for what was there"
        assert complete.items() <= download.whole().items(), f"{point}: lost a file"
        complete = download.whole()
        assert complete.items() <= server.files.items(), f"{point}: half a file in place"
        assert read_lock(download.lock) == {}
    assert complete == server.files

    before = len(server.requests)
    download.finish()
    asked = {request.path for request in server.requests[before:]}
    assert not asked & set(complete)
    assert download.all_bytes() == undisturbed.all_bytes()
    resumed = [request for request in server.requests if "range" in request.headers]
    assert len(resumed) >= 3
