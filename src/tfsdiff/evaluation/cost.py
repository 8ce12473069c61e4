"""The cost of a method, and the joint cost of methods that run one after the other."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Costs:
    """What it costs to fuse one group, or to enlarge its three sources.

    Attributes:
        parameters: numbers that were learned.
        operations: of networks, two a multiplication and addition; None without a network.
        seconds: of a call.
        memory: largest in use meanwhile, in bytes; None where that was not measured.
    """

    parameters: int
    operations: int | None
    seconds: float
    memory: int | None


def cascade(enlarger: Costs, fuser: Costs) -> Costs:
    """What a fuser costs behind an enlarger: the sum, but the larger memory."""
    operations = [one.operations for one in (enlarger, fuser) if one.operations is not None]
    memory = [one.memory for one in (enlarger, fuser) if one.memory is not None]
    return Costs(
        enlarger.parameters + fuser.parameters,
        sum(operations) if operations else None,
        enlarger.seconds + fuser.seconds,
        max(memory, default=None),
    )
