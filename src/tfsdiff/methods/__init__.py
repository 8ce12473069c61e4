"""Methods by name: a literal registry, and how a method is built, stored and loaded.

A class is imported when it is asked for, so that a stage waits for no other method's libraries.
"""

import importlib
from pathlib import Path
from typing import Any

from torch import Tensor

from tfsdiff.common.errors import InputError
from tfsdiff.core.backend import Backend
from tfsdiff.methods import store
from tfsdiff.methods.base import Method
from tfsdiff.params import Sampling, validate

METHODS = {  # name: module:class
    "bicubic": "tfsdiff.methods.bicubic:Bicubic",
    "bitonicx": "tfsdiff.methods.bitonicx.method:BitonicX",
    "cddfuse": "tfsdiff.methods.cddfuse.method:CDDFuse",
    "copy": "tfsdiff.methods.copy:Copy",
    "ctsr": "tfsdiff.methods.ctsr.method:CTSR",
    "ddfm": "tfsdiff.methods.ddfm.method:DDFM",
    "mean": "tfsdiff.methods.mean:Mean",
    "sr3": "tfsdiff.methods.sr3:SR3",
    "tfsdiff": "tfsdiff.methods.tfsdiff.method:TFSDiff",
    "tgfuse": "tfsdiff.methods.tgfuse.method:TGFuse",
}
METHOD, WEIGHTS = "method", "weights"  # keys of a method's settings that are not its own


def method_class(name: str) -> type[Method]:
    """The class of the method `name`, a key of `METHODS`.

    Raises:
        InputError: no method has this name.
    """
    if name not in METHODS:
        raise InputError(f"no method is called {name!r}; there are {', '.join(METHODS)}")
    module, _, kind = METHODS[name].partition(":")
    return getattr(importlib.import_module(module), kind)


def build(
    name: str, settings: dict[str, Any], scale: int | None, sampling: Sampling | None = None
) -> Method:
    """Make the member `name`, unfitted.

    Args:
        name: of the member; a key of `METHODS`, or that of a variant.
        settings: hyper-parameters, checked against the member's `Settings`. Those of a variant name
            the `method` of which they are a variant, a key of `METHODS`; `weights` are passed over,
            see `weights_of`.
        scale: factor of enlargement, or None for a member that works at one size.
        sampling: how a diffusion model draws; may also be set on the member later.

    Raises:
        InputError: no such member, or wrong settings.
    """
    kind = _class_of(name, settings)
    values = {key: value for key, value in settings.items() if key not in (METHOD, WEIGHTS)}
    return kind(validate(values, kind.Settings, f"zoo.{name}"), scale, sampling)


def _class_of(name: str, settings: dict[str, Any]) -> type[Method]:
    return method_class(settings.get(METHOD, name))


def learns(name: str, settings: dict[str, Any]) -> bool:
    """Whether the member `name` has anything to learn."""
    return _class_of(name, settings).learns()


def weights_of(settings: dict[str, Any]) -> Path | None:
    """Folder of imported weights that a member's settings name in place of a training."""
    return None if settings.get(WEIGHTS) is None else Path(settings[WEIGHTS])


def save_method(folder: Path, name: str, member: Method) -> None:
    """Write the member `name` to `folder`: its weights, settings and recipe."""
    write_method(folder, name, member, *member.state())


def write_method(
    folder: Path, name: str, member: Method, tensors: dict[str, Tensor], recipe: dict[str, Any]
) -> None:
    """Write the member `name` to `folder`, with `tensors` and `recipe` as its learned state."""
    settings = {METHOD: _name_of(member)} | member.settings.model_dump(mode="json")
    store.write(
        folder, tensors, {"name": name, "scale": member.scale, "settings": settings, **recipe}
    )


def take_weights(member: Method, folder: Path, backend: Backend) -> None:
    """Give `member` what was learned by the one in `folder`, as `import-weights` writes it.

    Raises:
        InputError: the folder is missing or malformed, or holds another method or architecture.
    """
    tensors, values = store.read(folder)
    settings = values.pop("settings", {})
    if settings.get(METHOD) != _name_of(member):
        raise InputError(f"{folder}: holds {settings.get(METHOD)}, not {_name_of(member)}")
    recipe = {key: value for key, value in values.items() if key not in ("name", "scale")}
    try:
        member.restore(tensors, recipe, backend)
    except InputError as error:
        raise InputError(f"{folder}: {error}") from None


def _name_of(method: Method) -> str:
    kind = type(method)
    place = f"{kind.__module__}:{kind.__qualname__}"
    return next(name for name, known in METHODS.items() if known == place)


def load_method(
    folder: Path,
    backend: Backend,
    sampling: Sampling | None = None,
    change: dict[str, Any] | None = None,
) -> Method:
    """Load what `save_method` wrote, to compute by `backend`.

    Args:
        folder: of the member.
        backend: where it computes.
        sampling: how a diffusion model draws.
        change: settings that differ from those it learned with; they must leave the weights alone.

    Raises:
        InputError: the folder is missing or malformed.
    """
    tensors, values = store.read(folder)
    try:
        head = [values.pop(key) for key in ("name", "settings", "scale")]
    except KeyError as error:
        raise InputError(f"{folder / store.PARAMS}: lacks {error}; train again") from None
    try:
        name, settings, scale = head
        member = build(name, settings | (change or {}), scale, sampling)
        member.restore(tensors, values, backend)
    except InputError as error:
        raise InputError(f"{folder}: {error}") from None
    return member
