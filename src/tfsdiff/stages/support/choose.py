"""Choice of the test groups that a figure shows or a costly stage computes."""

from collections.abc import Sequence

from tfsdiff.data.slices import Group


def spread(groups: Sequence[Group], count: int) -> list[Group]:
    """Up to `count` groups: the combinations in turn, and slices far from each other."""
    order: dict[str, list[Group]] = {}
    for group in groups:
        order.setdefault(group.combination, []).append(group)
    chosen = []
    for position, same in enumerate(order.values()):
        quota = min(len(range(position, count, len(order))), len(same))
        # The first and last slices are avoided, as they show least of the brain.
        chosen += [same[(place + 1) * len(same) // (quota + 1)] for place in range(quota)]
    return chosen
