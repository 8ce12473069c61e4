"""Generated blocks of the reference pages."""

from collections.abc import Callable

BLOCKS: dict[str, Callable[..., str]] = {}
