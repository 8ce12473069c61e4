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
METHOD, WEIGHTS = "method", "weights"  # keys of a member's settings that are not its own


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
            the `method` of which they are a variant, a key of `ZOO`; `weights` are passed over, see
            `weights_of`.
        scale: factor of enlargement, or None for a member that works at one size.
        sampling: how a diffusion model draws; may also be set on the member later.

    Raises:
        InputError: no such member, or wrong settings.
    """
    kind = _kind(name, settings)
    values = {key: value for key, value in settings.items() if key not in (METHOD, WEIGHTS)}
    return kind(validate(values, kind.Settings, f"zoo.{name}"), scale, sampling)


def _kind(name: str, settings: dict[str, Any]) -> type[Member]:
    method = settings.get(METHOD, name)
    if method not in ZOO:
        raise InputError(f"no method is called {method!r}; there are {', '.join(ZOO)}")
    return ZOO[method]


def learns(name: str, settings: dict[str, Any]) -> bool:
    """Whether the member `name` has anything to learn."""
    return _kind(name, settings).learns()


def weights_of(settings: dict[str, Any]) -> Path | None:
    """Folder of imported weights that a member's settings name in place of a training."""
    return None if settings.get(WEIGHTS) is None else Path(settings[WEIGHTS])


def save_member(folder: Path, name: str, member: Member) -> None:
    """Write the member `name` to `folder`: its weights, settings and recipe."""
    write_member(folder, name, member, *member.state())


def write_member(
    folder: Path, name: str, member: Member, tensors: dict[str, Tensor], recipe: dict[str, Any]
) -> None:
    """Write the member `name` to `folder`, with `tensors` and `recipe` as its learned state."""
    settings = {METHOD: _method(member)} | member.settings.model_dump(mode="json")
    storage.write(
        folder, tensors, {"name": name, "scale": member.scale, "settings": settings, **recipe}
    )


def take_weights(member: Member, folder: Path, backend: Backend) -> None:
    """Give `member` what was learned by the one in `folder`, as `import-weights` writes it.

    Raises:
        InputError: the folder is missing or malformed, or holds another method or architecture.
    """
    tensors, values = storage.read(folder)
    settings = values.pop("settings", {})
    if settings.get(METHOD) != _method(member):
        raise InputError(f"{folder}: holds {settings.get(METHOD)}, not {_method(member)}")
    recipe = {key: value for key, value in values.items() if key not in ("name", "scale")}
    try:
        member.restore(tensors, recipe, backend)
    except InputError as error:
        raise InputError(f"{folder}: {error}") from None


def _method(member: Member) -> str:
    return type(member).__module__.rpartition(".")[2]


def load_member(
    folder: Path,
    backend: Backend,
    sampling: Sampling | None = None,
    change: dict[str, Any] | None = None,
) -> Member:
    """Load what `save_member` wrote, to compute by `backend`.

    Args:
        folder: of the member.
        backend: where it computes.
        sampling: how a diffusion model draws.
        change: settings that differ from those it learned with; they must leave the weights alone.

    Raises:
        InputError: the folder is missing or malformed.
    """
    tensors, values = storage.read(folder)
    try:
        head = [values.pop(key) for key in ("name", "settings", "scale")]
    except KeyError as error:
        raise InputError(f"{folder / storage.PARAMS}: lacks {error}; train again") from None
    try:
        name, settings, scale = head
        member = build(name, settings | (change or {}), scale, sampling)
        member.restore(tensors, values, backend)
    except InputError as error:
        raise InputError(f"{folder}: {error}") from None
    return member
