"""Methods built from the options of a command instead of params.yaml.

The class of a method declares what it can do. No method is named here, so a new one needs no edit.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, get_args

import torch
import yaml

from tfsdiff import methods
from tfsdiff.common.errors import InputError
from tfsdiff.core.backend import SLOW, Backend, has_bfloat16
from tfsdiff.methods import shipped, store
from tfsdiff.methods.base import Enlarger, Fuser, JointMethod, Method
from tfsdiff.params import Precision, Sampling, read_yaml, validate

Kind = type[Method]
DEVICES = ("cpu", "cuda")
ALL_LEVELS = {"sampler": "ancestral", "spacing": "time", "temperature": 1.0}  # as published


def make_backend(device: str, precision: str) -> Backend:
    """The backend of these options.

    Raises:
        InputError: there is no such device or precision here, or it would be slower.
    """
    for option, value, known in (
        ("--device", device, DEVICES),
        ("--precision", precision, get_args(Precision)),
    ):
        if value not in known:
            raise InputError(f"{option}: '{value}' is none of {', '.join(known)}")
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError("--device: torch finds no CUDA device here; use cpu")
    if device == "cpu" and precision == "bfloat16" and not has_bfloat16():
        raise InputError(f"--precision: {SLOW}; leave it out")
    return Backend(torch.device(device), precision)


def fuses(kind: Kind) -> bool:
    """Whether such a method fuses."""
    return issubclass(kind, Fuser)


def enlarges(kind: Kind) -> bool:
    """Whether such a method enlarges images one by one."""
    return issubclass(kind, Enlarger)


def resizes(kind: Kind) -> bool:
    """Whether the results of such a method are larger than its sources."""
    return issubclass(kind, (Enlarger, JointMethod))


def imports(kind: Kind) -> bool:
    """Whether there are released checkpoints for such a method."""
    return kind.importable


def names(fits: Callable[[Kind], bool]) -> list[str]:
    """Names of the methods that fit. Imports all methods, which is slow."""
    return [name for name in methods.METHODS if fits(methods.method_class(name))]


def find(option: str, name: str, fits: Callable[[Kind], bool]) -> Kind:
    """The class of the method `name`; no other method is imported, unless for the message.

    Raises:
        InputError: no such method, or it does not fit.
    """
    if name in methods.METHODS and fits(methods.method_class(name)):
        return methods.method_class(name)
    raise InputError(f"{option}: '{name}' is none of {', '.join(names(fits))}")


def make_fuser(
    name: str,
    changes: Sequence[str],
    scale: int | None,
    weights: Path | None,
    evaluations: int | None,
    backend: Backend,
) -> Fuser:
    """Build or load a fuser; `scale` is that of a joint method imported without one."""
    kind = find("--method", name, fuses)
    scale = scale if resizes(kind) else None
    return _make(kind, changes, scale, ("--weights", weights), evaluations, backend)


def make_enlarger(
    name: str, scale: int, weights: Path | None, evaluations: int | None, backend: Backend
) -> Enlarger:
    """Build or load an enlarger by `scale`."""
    kind = find("--enlarger", name, enlarges)
    enlarger = _make(kind, (), scale, ("--enlarger-weights", weights), evaluations, backend)
    if enlarger.scale != scale:
        raise InputError(f"{weights}: enlarges by {enlarger.scale}; --scale says {scale}")
    return enlarger


def _make(
    kind: Kind,
    changes: Sequence[str],
    scale: int | None,
    weights: tuple[str, Path | None],
    evaluations: int | None,
    backend: Backend,
) -> Any:
    """Build a method that learns nothing; load one that does, with its settings and its scale.

    Without a folder the weights are those of the package.
    """
    option, folder = weights
    if not kind.learned:
        if folder is not None:
            raise InputError(f"{kind.name} learns nothing; leave out {option}")
        return methods.build(kind.name, kind.published | _changes(changes), scale)
    if folder is None:
        folder = _shipped(kind, scale, option)
    if changes and resizes(kind):
        raise InputError(f"{kind.name} keeps the settings of its training; leave out --set")
    method = _load(kind.name, folder, scale, backend, _changes(changes))
    return method.with_sampling(_sampling(folder, evaluations)) if kind.sampled else method


def _shipped(kind: Kind, scale: int | None, option: str) -> Path:
    """Folder of the weights of a method in the package."""
    folder = shipped.find(kind.name, scale)
    if folder is not None:
        return folder
    writers = "`train` or `import-weights`" if imports(kind) else "`train`"
    cure = f"give the folder that {writers} wrote: {option} DIR"
    found = ", ".join(map(str, shipped.scales(kind.name)))
    if not found:
        raise InputError(f"{kind.name} is learned, and no weights of it are in the package; {cure}")
    lacks = "absent" if scale is None else f"{scale}"
    raise InputError(
        f"--scale: {lacks}, but the weights of {kind.name} in the package are for {found}; "
        f"choose one of these, or {cure}"
    )


def _load(
    name: str, folder: Path, scale: int | None, backend: Backend, changes: dict[str, Any]
) -> Method:
    # A fuser without enlargement has settings of fusion (order, slots, stretching), which may
    # change, beside those of its network and training: `restore` refuses another network, and
    # settings of the training no longer have any effect.
    method = methods.load_method(folder, backend, change=changes, scale=scale)
    stored = read_yaml(folder / store.PARAMS)["name"]
    if stored != name:
        raise InputError(f"{folder}: holds {stored}, not {name}")
    if resizes(type(method)) and method.scale is None:
        raise InputError(f"{folder}: was imported without a scale; give it by --scale N")
    return method


def _sampling(folder: Path, evaluations: int | None) -> Sampling:
    """DDIM in so many `evaluations`; without, as the folder says, or over all noise levels."""
    values = read_yaml(folder / store.PARAMS)
    levels = values["diffusion"]["noise_levels"]
    if evaluations is not None and evaluations > levels:
        raise InputError(f"--evaluations: {folder} has {levels} noise levels, not {evaluations}")
    stored = values.get(shipped.SAMPLING)
    if stored is None:
        stored = ALL_LEVELS | {"evaluations": levels}
    if evaluations is not None:
        stored = stored | {"sampler": "ddim", "evaluations": evaluations}
    return validate(stored | {"batch": 1}, Sampling, folder / store.PARAMS)


def _changes(changes: Sequence[str]) -> dict[str, Any]:
    values = {}
    for change in changes:
        key, equals, text = change.partition("=")
        try:
            values[key] = yaml.safe_load(text)
        except yaml.YAMLError:
            equals = ""
        if not (key and equals):
            raise InputError(f"--set: '{change}' is not KEY=VALUE")
    return values
