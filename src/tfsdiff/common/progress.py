"""A progress bar with rate and time left, on terminals only."""

import sys
from collections.abc import Iterable
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")


def progress(
    items: Iterable[Item], title: str, total: int | None = None, initial: int = 0
) -> Iterable[Item]:
    """Iterate over `items` behind a bar called `title`; silent where stderr is no terminal."""
    return tqdm(
        items, desc=title, total=total, initial=initial, disable=not sys.stderr.isatty(), leave=True
    )
