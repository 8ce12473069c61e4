"""The zoo: every method and control by its name, and how members are built, stored and loaded."""

from pathlib import Path
from typing import Any

from torch import Tensor

from tfsdiff.backend import Backend
from tfsdiff.errors import InputError
from tfsdiff.fusers import storage
from tfsdiff.fusers.base import Member
from tfsdiff.fusers.bicubic import Bicubic
from tfsdiff.fusers.bitonicx import BitonicX
from tfsdiff.fusers.copy import Copy
from tfsdiff.fusers.mean import Mean
from tfsdiff.fusers.sr3 import SR3
from tfsdiff.fusers.tfsdiff import TFSDiff
from tfsdiff.params import Sampling, validate

ZOO: dict[str, type[Member]] = {
    "bitonicx": BitonicX,
    "mean": Mean,
    "copy": Copy,
    "bicubic": Bicubic,
    "sr3": SR3,
    "tfsdiff": TFSDiff,
}


def build(
    name: str, settings: dict[str, Any], scale: int | None, sampling: Sampling | None = None
) -> Member:
    """Make the member `name`, unfitted.

    Args:
        name: of the member; a key of `ZOO`, or that of a variant.
        settings: hyper-parameters, checked against the member's `Settings`. Those of a variant name
            the `method` of which they are a variant, a key of `ZOO`.
        scale: factor of enlargement, or None for a member that works at one size.
        sampling: how a diffusion model draws; may also be set on the member later.

    Raises:
        InputError: no such member, or wrong settings.
    """
    values = {"method": name} | settings
    method = values.pop("method")
    if method not in ZOO:
        raise InputError(f"no method is called {method!r}; there are {', '.join(ZOO)}")
    kind = ZOO[method]
    return kind(validate(values, kind.Settings, f"zoo.{name}"), scale, sampling)


def save_member(folder: Path, name: str, member: Member) -> None:
    """Write the member `name` to `folder`: its weights, settings and recipe."""
    write_member(folder, name, member, *member.state())


def write_member(
    folder: Path, name: str, member: Member, tensors: dict[str, Tensor], recipe: dict[str, Any]
) -> None:
    """Write the member `name` to `folder`, with `tensors` and `recipe` as its learned state."""
    method = next(method for method, kind in ZOO.items() if type(member) is kind)
    settings = {"method": method} | member.settings.model_dump(mode="json")
    storage.write(
        folder, tensors, {"name": name, "scale": member.scale, "settings": settings, **recipe}
    )


def load_member(folder: Path, backend: Backend, sampling: Sampling | None = None) -> Member:
    """Load what `save_member` wrote, to compute by `backend`.

    Raises:
        InputError: the folder is missing or malformed.
    """
    tensors, values = storage.read(folder)
    try:
        head = [values.pop(key) for key in ("name", "settings", "scale")]
    except KeyError as error:
        raise InputError(f"{folder / storage.PARAMS}: lacks {error}; train again") from None
    try:
        member = build(*head, sampling)
        member.restore(tensors, values, backend)
    except InputError as error:
        raise InputError(f"{folder}: {error}") from None
    return member
