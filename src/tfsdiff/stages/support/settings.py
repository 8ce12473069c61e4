"""Settings of a method or a variant, and the method loaded or built from them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from tfsdiff import methods
from tfsdiff.core.backend import Backend
from tfsdiff.methods.base import Method
from tfsdiff.params import Sampling, Section, Variant, validate

SomeSection = TypeVar("SomeSection", bound=Section)


def settings_of(
    name: str, settings: Mapping[str, dict[str, Any]], variants: Mapping[str, Variant]
) -> dict[str, Any]:
    """Settings of a method, or of a variant: those of its method with the changes."""
    if name not in variants:
        return settings[name]
    variant = variants[name]
    own = {key: value for key, value in variant.changes.items() if "." not in key}
    return settings[variant.method] | {methods.METHOD: variant.method} | own


def section_of(
    name: str, key: str, section: SomeSection, variants: Mapping[str, Variant]
) -> SomeSection:
    """The section `key` of the parameters, as a variant changes it by KEY.NAME.

    Raises:
        InputError: a change has no such name, or its value is wrong.
    """
    changes = variants[name].changes if name in variants else {}
    prefix = f"{key}."
    own = {k.removeprefix(prefix): x for k, x in changes.items() if k.startswith(prefix)}
    values = section.model_dump(mode="json") | own
    return validate(values, type(section), f"variants.{name}.changes: {key}")


def ready(
    name: str,
    settings: dict[str, Any],
    model: Path,
    backend: Backend,
    *,
    scale: int | None = None,
    sampling: Sampling | None = None,
    change: dict[str, Any] | None = None,
) -> Method:
    """The method `name`: what the folder `model` holds if it learns, else built from `settings`.

    Args:
        name: of the method.
        settings: of the method, as the parameters have them.
        model: folder that its training wrote; none if it learns nothing.
        backend: where it computes.
        scale: factor of enlargement, for one that enlarges and learns nothing.
        sampling: how a diffusion model draws.
        change: settings that differ, and leave weights alone.
    """
    if methods.is_learned(name, settings):
        return methods.load_method(model, backend, sampling, change)
    return methods.build(name, settings | (change or {}), scale, sampling)
