"""The zoo: every method and control by its name, and how members are built, stored and loaded.

A member is a module of `tfsdiff.fusers`: its file's name is the member's, and the one class of kind
`Member` in it is what is built. There is no list to keep: a new file is a new member. Members are
imported when they are asked for, so a stage waits for no other method's libraries.
"""

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from tfsdiff.backend import Backend
from tfsdiff.errors import InputError
from tfsdiff.params import Sampling, validate
from tfsdiff.zoo import storage
from tfsdiff.zoo.base import Member

MEMBERS = "tfsdiff.fusers"


class Zoo(Mapping[str, type[Member]]):
    """The classes of all members by their names, found as modules of `tfsdiff.fusers`."""

    def __iter__(self) -> Iterator[str]:
        folder = importlib.import_module(MEMBERS).__path__
        return (module.name for module in pkgutil.iter_modules(folder))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __getitem__(self, name: str) -> type[Member]:
        if name not in tuple(self):
            raise KeyError(name)
        module = importlib.import_module(f"{MEMBERS}.{name}")
        kinds = [
            kind
            for kind in vars(module).values()
            if isinstance(kind, type)
            and issubclass(kind, Member)
            and kind.__module__ == module.__name__
        ]
        if len(kinds) != 1:
            raise InputError(
                f"{module.__file__}: defines {len(kinds)} classes of kind Enlarger or Fuser; leave "
                "exactly one, the method"
            )
        return kinds[0]


ZOO = Zoo()


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
    method = type(member).__module__.rpartition(".")[2]
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
