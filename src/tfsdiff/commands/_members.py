"""Members of the zoo, built from the options of a command instead of params.yaml."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import yaml

from tfsdiff import zoo
from tfsdiff.backend import Backend
from tfsdiff.errors import InputError
from tfsdiff.params import Sampling, read_yaml
from tfsdiff.zoo import storage
from tfsdiff.zoo.base import Enlarger, Fuser, Member
from tfsdiff.zoo.diffusing import Diffusing

# An installed package has no params.yaml. A test holds these equal to workflow/conf/zoo; a method
# without an entry takes all its constants from --set.
PUBLISHED: dict[str, dict[str, Any]] = {
    "bitonicx": {"mode": "paper", "threshold": 3.0, "iterations": 110, "majority_pixels": 19},
    "copy": {"source": "anatomical_2"},
    "mean": {},
    "bicubic": {},
}


def names(kind: type[Member]) -> list[str]:
    """Names of the fusers, or of the enlargers, of the zoo."""
    return [name for name, member in zoo.ZOO.items() if issubclass(member, kind)]


def make_fuser(
    name: str,
    changes: Sequence[str],
    scale: int | None,
    weights: Path | None,
    steps: int | None,
    device: str,
) -> Fuser:
    """Build or load a fuser; `scale` is for imported weights alone; see `_make`."""
    _check_name("--method", name, names(Fuser))
    member = _make(name, changes, None, ("--weights", weights), steps, device)
    return _scaled(member, scale, weights)


def make_enlarger(
    name: str, scale: int, weights: Path | None, steps: int | None, device: str
) -> Enlarger:
    """Build or load an enlarger by `scale`; see `_make`."""
    _check_name("--enlarger", name, names(Enlarger))
    member = _make(name, (), scale, ("--enlarger-weights", weights), steps, device)
    member = _scaled(member, scale, weights)
    if member.scale != scale:
        raise InputError(f"{weights}: enlarges by {member.scale}; --scale says {scale}")
    return member


def _make(
    name: str,
    changes: Sequence[str],
    scale: int | None,
    weights: tuple[str, Path | None],
    steps: int | None,
    device: str,
) -> Any:
    # A member that learns comes from its folder, settings and scale included; another is built.
    option, folder = weights
    learns = zoo.ZOO[name].fit is not Member.fit
    if learns and folder is None:
        raise InputError(f"{name} is learned; give the folder that `train` wrote with {option} DIR")
    if not learns and folder is not None:
        raise InputError(f"{name} learns nothing; leave out {option}")
    if learns and changes:
        raise InputError(f"{name} keeps the settings of its training; leave out --set")
    if learns:
        return _load(name, folder, steps, device)
    return zoo.build(name, PUBLISHED.get(name, {}) | _changes(changes), scale)


def _load(name: str, folder: Path, steps: int | None, device: str) -> Member:
    member = zoo.load_member(folder, Backend(torch.device(device)))
    stored = read_yaml(folder / storage.PARAMS)["name"]
    if stored != name:
        raise InputError(f"{folder}: holds {stored}, not {name}")
    if isinstance(member, Diffusing):
        levels = member.state()[1]["diffusion"]["steps"]
        if steps is not None and steps > levels:
            raise InputError(f"--steps: {folder} has {levels} noise levels, not {steps}")
        sampler = "ancestral" if steps is None else "ddim"
        member.sampling = Sampling(sampler=sampler, steps=steps or levels, spacing="time", batch=1)
    return member


def _scaled(member: Any, scale: int | None, folder: Path | None) -> Any:
    # Released networks work at any scale and say none, unless their import was told one.
    if isinstance(member, Diffusing) and member.scale is None:
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


def _check_name(option: str, name: str, known: Sequence[str]) -> None:
    if name not in known:
        raise InputError(f"{option}: '{name}' is none of {', '.join(known)}")
