"""The registry of methods, and how a method is built, stored and loaded.

A class is imported when it is asked for, so that a stage waits for no other method's libraries.
"""

import importlib
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import Tensor

from tfsdiff.common.errors import InputError
from tfsdiff.core.backend import Backend
from tfsdiff.methods import store
from tfsdiff.methods.base import Method
from tfsdiff.params import Sampling, validate


@dataclass(frozen=True)
class Entry:
    """Where a method is defined.

    Attributes:
        method: "module:Class" of what fuses or enlarges.
        training: module whose `fit` trains it, imported by trainings alone; None: learns nothing.
    """

    method: str
    training: str | None = None


METHODS = {
    "bicubic": Entry("tfsdiff.methods.bicubic.method:Bicubic"),
    "bitonicx": Entry("tfsdiff.methods.bitonicx.method:BitonicX"),
    "cddfuse": Entry("tfsdiff.methods.cddfuse.method:CDDFuse", "tfsdiff.methods.cddfuse.training"),
    "copy": Entry("tfsdiff.methods.copy.method:Copy"),
    "ctsr": Entry("tfsdiff.methods.ctsr.method:CTSR", "tfsdiff.methods.ctsr.training"),
    "ddfm": Entry("tfsdiff.methods.ddfm.method:DDFM", "tfsdiff.methods.ddfm.training"),
    "least_squares": Entry(
        "tfsdiff.methods.least_squares.method:LeastSquares",
        "tfsdiff.methods.least_squares.training",
    ),
    "mean": Entry("tfsdiff.methods.mean.method:Mean"),
    "sr3": Entry("tfsdiff.methods.sr3.method:SR3", "tfsdiff.methods.conditional.training"),
    "tfsdiff": Entry(
        "tfsdiff.methods.tfsdiff.method:TFSDiff", "tfsdiff.methods.conditional.training"
    ),
    "tfsdiff_guided": Entry(
        "tfsdiff.methods.tfsdiff_guided.method:GuidedTFSDiff",
        "tfsdiff.methods.conditional.training",
    ),
    "tgfuse": Entry("tfsdiff.methods.tgfuse.method:TGFuse", "tfsdiff.methods.tgfuse.training"),
}
METHOD, WEIGHTS = "method", "weights"  # keys of a method's settings that are not its own


def method_class(name: str) -> type[Method]:
    """The class of the method `name`, a key of `METHODS`.

    Raises:
        InputError: no method has this name.
    """
    module, _, kind = _entry(name).method.partition(":")
    return getattr(importlib.import_module(module), kind)


def _entry(name: str) -> Entry:
    if name not in METHODS:
        raise InputError(f"no method is called {name!r}; there are {', '.join(METHODS)}")
    return METHODS[name]


def is_learned(name: str, settings: dict[str, Any]) -> bool:
    """Whether the method, or the variant of one, has anything to learn; imports nothing."""
    return _entry(settings.get(METHOD, name)).training is not None


def training_module(method: Method) -> ModuleType:
    """The module whose `fit(method, train, validation, recipe, backend, log)` trains `method`.

    Raises:
        InputError: there is nothing to train.
    """
    module = _entry(method.name).training
    if module is None:
        raise InputError(f"{method.name} learns nothing")
    return importlib.import_module(module)


def build(
    name: str, settings: dict[str, Any], scale: int | None, sampling: Sampling | None = None
) -> Method:
    """Make the method `name`, without weights.

    Args:
        name: a key of `METHODS`, or the name of a variant.
        settings: hyper-parameters, checked against the `Settings` of the method's class. Those of a
            variant name under `method` what it is a variant of, a key of `METHODS`; `weights` are
            passed over, see `weights_of`.
        scale: factor of enlargement, or None for a method that works at one size.
        sampling: how a diffusion model draws.

    Raises:
        InputError: there is no such method, or its settings are wrong.
    """
    kind = method_class(settings.get(METHOD, name))
    values = {key: value for key, value in settings.items() if key not in (METHOD, WEIGHTS)}
    return kind(validate(values, kind.Settings, f"methods.{name}"), scale, sampling)


def weights_of(settings: dict[str, Any]) -> Path | None:
    """Folder of imported weights that a method's settings name in place of a training."""
    return None if settings.get(WEIGHTS) is None else Path(settings[WEIGHTS])


def save_method(folder: Path, name: str, method: Method) -> None:
    """Write the method, called `name`, to `folder`: weights, settings and recipe."""
    write_method(folder, name, method, *method.state())


def write_method(
    folder: Path, name: str, method: Method, tensors: dict[str, Tensor], recipe: dict[str, Any]
) -> None:
    """Write the method, called `name`, to `folder`, with `tensors` and `recipe` as its state."""
    settings = {METHOD: method.name} | method.settings.model_dump(mode="json")
    store.write(
        folder, tensors, {"name": name, "scale": method.scale, "settings": settings, **recipe}
    )


def take_weights(method: Method, folder: Path, backend: Backend) -> None:
    """Restore in `method` what was learned by the one in `folder`, as `import-weights` writes it.

    Raises:
        InputError: the folder is missing or malformed, or holds another method or architecture.
    """
    tensors, values = store.read(folder)
    settings = values.pop("settings", {})
    if settings.get(METHOD) != method.name:
        raise InputError(f"{folder}: holds {settings.get(METHOD)}, not {method.name}")
    recipe = {key: value for key, value in values.items() if key not in ("name", "scale")}
    try:
        method.restore(tensors, recipe, backend)
    except InputError as error:
        raise InputError(f"{folder}: {error}") from None


def load_method(
    folder: Path,
    backend: Backend,
    sampling: Sampling | None = None,
    change: dict[str, Any] | None = None,
    scale: int | None = None,
) -> Method:
    """Load what `save_method` wrote, to compute by `backend`.

    Args:
        folder: of the method.
        backend: where it computes.
        sampling: how a diffusion model draws.
        change: settings that differ from those it was trained with; the weights must still fit.
        scale: factor of enlargement of weights that were imported without one.

    Raises:
        InputError: the folder is missing or malformed.
    """
    tensors, values = store.read(folder)
    try:
        name, settings, stored = (values.pop(key) for key in ("name", "settings", "scale"))
    except KeyError as error:
        raise InputError(f"{folder / store.PARAMS}: lacks {error}; train again") from None
    try:
        method = build(
            name, settings | (change or {}), scale if stored is None else stored, sampling
        )
        method.restore(tensors, values, backend)
    except InputError as error:
        raise InputError(f"{folder}: {error}") from None
    return method
