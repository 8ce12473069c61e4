"""Members of the zoo, built from the options of a command instead of params.yaml.

What a member can do is read off its class. Nothing here names a member: a new one needs no edit.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import yaml

from tfsdiff import methods
from tfsdiff.common.errors import InputError
from tfsdiff.core.backend import Backend
from tfsdiff.methods import store
from tfsdiff.methods.base import Enlarger, Fuser, Method
from tfsdiff.methods.conditional.method import Diffusing
from tfsdiff.params import Sampling, read_yaml

Kind = type[Method]


def fuses(kind: Kind) -> bool:
    """Whether such a member fuses."""
    return issubclass(kind, Fuser)


def enlarges(kind: Kind) -> bool:
    """Whether such a member enlarges images one by one."""
    return issubclass(kind, Enlarger)


def diffuses(kind: Kind) -> bool:
    """Whether such a member draws by the conditional diffusion."""
    return issubclass(kind, Diffusing)


def resizes(kind: Kind) -> bool:
    """Whether such a member's results are larger than its sources; a joint one's are, too."""
    return enlarges(kind) or diffuses(kind)  # the conditional diffusion draws enlarged images


def imports(kind: Kind) -> bool:
    """Whether there are released checkpoints for such a member."""
    return kind.import_released.__func__ is not Method.import_released.__func__


def names(fits: Callable[[Kind], bool]) -> list[str]:
    """Names of the members that fit. Imports all members, which takes long."""
    return [name for name in methods.METHODS if fits(methods.method_class(name))]


def find(option: str, name: str, fits: Callable[[Kind], bool]) -> Kind:
    """The class of the member `name`; no other member is imported, unless for the message.

    Raises:
        InputError: no such member, or it does not fit.
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
    device: str,
) -> Fuser:
    """Build or load a fuser; `scale` is for imported weights alone; see `_make`."""
    find("--method", name, fuses)
    member = _make(name, changes, None, ("--weights", weights), evaluations, device)
    return _scaled(member, scale, weights)


def make_enlarger(
    name: str, scale: int, weights: Path | None, evaluations: int | None, device: str
) -> Enlarger:
    """Build or load an enlarger by `scale`; see `_make`."""
    find("--enlarger", name, enlarges)
    member = _make(name, (), scale, ("--enlarger-weights", weights), evaluations, device)
    member = _scaled(member, scale, weights)
    if member.scale != scale:
        raise InputError(f"{weights}: enlarges by {member.scale}; --scale says {scale}")
    return member


def _make(
    name: str,
    changes: Sequence[str],
    scale: int | None,
    weights: tuple[str, Path | None],
    evaluations: int | None,
    device: str,
) -> Any:
    # A member that learns comes from its folder, settings and scale included; another is built.
    (option, folder), kind = weights, methods.method_class(name)
    if not kind.learns():
        if folder is not None:
            raise InputError(f"{name} learns nothing; leave out {option}")
        return methods.build(name, kind.published | _changes(changes), scale)
    if folder is None:
        writers = "`train` or `import-weights`" if imports(kind) else "`train`"
        raise InputError(f"{name} is learned; give the folder that {writers} wrote: {option} DIR")
    if changes and resizes(kind):
        raise InputError(f"{name} keeps the settings of its training; leave out --set")
    return _load(name, folder, evaluations, device, _changes(changes))


def _load(
    name: str, folder: Path, evaluations: int | None, device: str, changes: dict[str, Any]
) -> Method:
    # What a fuser of one size is set to may matter at fusing alone (slots, quirks); where it does
    # not, its weights do not fit, or learn nothing by it.
    member = methods.load_method(folder, Backend(torch.device(device)), change=changes)
    stored = read_yaml(folder / store.PARAMS)["name"]
    if stored != name:
        raise InputError(f"{folder}: holds {stored}, not {name}")
    if isinstance(member, Diffusing):
        levels = member.state()[1]["diffusion"]["noise_levels"]
        if evaluations is not None and evaluations > levels:
            raise InputError(
                f"--evaluations: {folder} has {levels} noise levels, not {evaluations}"
            )
        sampler = "ancestral" if evaluations is None else "ddim"
        member.sampling = Sampling(
            sampler=sampler, evaluations=evaluations or levels, spacing="time", batch=1
        )
    return member


def _scaled(member: Any, scale: int | None, folder: Path | None) -> Any:
    # Released networks work at any scale and say none, unless their import was told one.
    if resizes(type(member)) and member.scale is None:
        if scale is None:
            raise InputError(f"{folder}: was imported without a scale; say it with --scale N")
        member.scale = scale
    return member


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
