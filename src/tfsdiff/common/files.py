"""Atomic writing of files and folders: a killed process leaves the old or the new one, whole."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary name beside `path`; rename it to `path` when the block ends without error.

    The block may create a file or a folder under the temporary name. On an error nothing of it is
    left behind, and an older `path` stays as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.partial-{os.getpid()}")
    try:
        yield temporary
        if temporary.is_dir():
            _replace_folder(temporary, path)
        else:
            temporary.replace(path)
    finally:
        _remove(temporary)


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8, the whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="")


def _replace_folder(temporary: Path, path: Path) -> None:
    # A folder cannot be renamed onto a filled one: step the old one aside first.
    old = path.with_name(f".{path.name}.old-{os.getpid()}")
    if path.exists():
        path.rename(old)
    temporary.rename(path)
    _remove(old)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
