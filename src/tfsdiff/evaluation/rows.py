"""Rows of the tables: which images exist, what they are called, and where they lie.

Everything here follows from the lists of methods and scales in the parameters; names and folders
are built from a `Row` and never taken apart again.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from tfsdiff.params import Section

FULL_RESOLUTION = 1  # the scale at which nothing was reduced
Scale = Annotated[int, Field(gt=FULL_RESOLUTION)]


class Roles(Section):
    """The methods, by their role."""

    enlargers: tuple[str, ...]
    fusers: tuple[str, ...]
    joint: tuple[str, ...]


class Lists(Roles):
    """The methods and scales that all images follow from."""

    ablations: tuple[str, ...]
    ablation_scales: tuple[Scale, ...]
    scales: tuple[Scale, ...]


@dataclass(frozen=True)
class Row:
    """The images of one method at one scale.

    Attributes:
        method: a joint method, an ablation of one, or a fuser.
        enlarger: what enlarged the sources of the fuser; None where nothing did.
        scale: between the low-resolution sources and the fused image; `FULL_RESOLUTION` where a
            fuser fused the high-resolution sources.
    """

    method: str
    enlarger: str | None
    scale: int

    @property
    def full(self) -> bool:
        """Whether the sources were never reduced: the same images stand beside every scale."""
        return self.scale == FULL_RESOLUTION

    @property
    def name(self) -> str:
        """Name in tables and files: JOINT, FUSER-ENLARGER or FUSER-full."""
        if self.full:
            return f"{self.method}-full"
        return self.method if self.enlarger is None else f"{self.method}-{self.enlarger}"

    @property
    def folder(self) -> Path:
        """Folder of the images GROUP.png, below `results/fused`."""
        if self.full:
            return Path(self.method, "full")
        at = f"x{self.scale}"
        return Path(self.method, at if self.enlarger is None else f"{self.enlarger}-{at}")


def rows_at(scale: int, lists: Lists) -> list[Row]:
    """All rows whose images exist at one scale; those of the fusers alone at full resolution.

    In this order: joint methods, fusers behind each enlarger in turn, ablations.
    """
    if scale == FULL_RESOLUTION:
        return full_rows(lists)
    ablations = lists.ablations if scale in lists.ablation_scales else ()
    rows = [*_joint(lists.joint, scale), *_cascades(lists, scale), *_joint(ablations, scale)]
    return list(dict.fromkeys(rows))


def all_rows(lists: Lists) -> list[Row]:
    """All rows at all scales, full resolution first."""
    return [row for scale in (FULL_RESOLUTION, *lists.scales) for row in rows_at(scale, lists)]


def full_rows(roles: Roles) -> list[Row]:
    """Every fuser at full resolution: the most that it can reach at any scale."""
    return [Row(fuser, None, FULL_RESOLUTION) for fuser in roles.fusers]


def table1_rows(
    scale: int, roles: Roles, controls: Iterable[str]
) -> tuple[tuple[Row, ...], tuple[Row, ...]]:
    """Rows of Table 1 at one scale: those that are ranked, and the controls.

    Ranked are the joint methods, then every fuser behind every enlarger. Controls are the fusers at
    full resolution, then the cascades that contain a method of the list `controls`.
    """
    cascades = _cascades(roles, scale)
    others = [row for row in cascades if {row.method, row.enlarger} & set(controls)]
    ranked = [row for row in cascades if row not in others]
    return (*_joint(roles.joint, scale), *ranked), (*full_rows(roles), *others)


def table2_rows(scale: int, ablations: Sequence[str], bases: Iterable[str]) -> tuple[Row, ...]:
    """Rows of Table 2 at one scale: the methods that the ablations are made of, and the ablations.

    Args:
        scale: of enlargement.
        ablations: names of the ablated methods.
        bases: for each of them the method that it changes, in any number.
    """
    return tuple(_joint(dict.fromkeys([*bases, *ablations]), scale))


def _joint(methods: Iterable[str], scale: int) -> list[Row]:
    return [Row(method, None, scale) for method in methods]


def _cascades(roles: Roles, scale: int) -> list[Row]:
    return [Row(fuser, by, scale) for by in roles.enlargers for fuser in roles.fusers]
