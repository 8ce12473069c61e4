"""Choosing from sequences."""

from collections.abc import Sequence
from typing import TypeVar

Item = TypeVar("Item")


def evenly(items: Sequence[Item], count: int) -> list[Item]:
    """`count` of n items, spread evenly over all; every one of them where there are fewer.

    Those at places floor((i + 1/2) n / count), i = 0 to count - 1.
    """
    count = min(count, len(items))
    return [items[(2 * i + 1) * len(items) // (2 * count)] for i in range(count)]
