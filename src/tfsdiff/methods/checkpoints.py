"""State dicts of other people's networks: read as plain tensors, without running their code."""

import zipfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tfsdiff.common.errors import InputError

PARALLEL = "module."  # what torch puts before each key of a network on several GPUs
COUNTER = ".num_batches_tracked"  # of batch normalisation, the only integers in a checkpoint

Shapes = Mapping[str, tuple[int, ...]]


def load(path: Path) -> dict[str, Tensor]:
    """Load what `torch.save` wrote of a state dict.

    Returns:
        Dense tensors in memory of their own, by key, without the prefix of DataParallel: float32,
        but for the counters of batch normalisation, which are int64.

    Raises:
        InputError: the file is missing, damaged or cut off, or holds anything else.
    """
    values = _unpickle(path)
    if not _is_state(values):
        raise InputError(f"{path}: is no state dict of tensors; name the file of the weights")
    return _plain(values, f"{path}: ")


def load_several(path: Path, names: Collection[str]) -> dict[str, Tensor]:
    """Load what `torch.save` wrote of a dictionary of state dicts, one for each of `names`.

    Returns:
        Tensors as of `load`, by the name of their state dict, a dot, and their key.

    Raises:
        InputError: as of `load`, or the names are not these.
    """
    values = _unpickle(path)
    if not (isinstance(values, dict) and all(_is_state(part) for part in values.values())):
        raise InputError(f"{path}: is no dictionary of state dicts; name the file of the weights")
    for word, some in (
        ("lacks", set(names) - values.keys()),
        ("has unknown", values.keys() - set(names)),
    ):
        if some:
            raise InputError(f"{path}: {word} {min(some, key=str)}")
    parts = {name: _plain(values[name], f"{path}: {name}: ") for name in names}
    return {f"{name}.{key}": x for name, part in parts.items() for key, x in part.items()}


def check(tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    """Refuse tensors unless keys and shapes are those of `expected` and all values are finite.

    Raises:
        InputError: names the first key that differs.
    """
    check_shapes(shapes(tensors), shapes(expected))
    check_finite(tensors)


def shapes(tensors: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    """The shape of each of `tensors`, by its key."""
    return {key: tuple(tensor.shape) for key, tensor in tensors.items()}


def check_shapes(found: Shapes, expected: Shapes, prefix: str = "") -> None:
    """Refuse tensors of other keys or shapes than `expected`; `prefix` is put before the key.

    Raises:
        InputError: names the first key that differs.
    """
    for word, keys in (
        ("lacks", expected.keys() - found.keys()),
        ("has unknown", found.keys() - expected.keys()),
    ):
        if keys:
            more = f" and {len(keys) - 1} more" if len(keys) > 1 else ""
            raise InputError(f"{word} {prefix}{min(keys)}{more}")
    for key, shape in expected.items():
        if found[key] != shape:
            raise InputError(f"{prefix}{key} has shape {found[key]}, not {shape}")


def check_finite(tensors: Mapping[str, Tensor]) -> None:
    """Refuse tensors with values that are not finite.

    Raises:
        InputError: names the first of them.
    """
    for key, tensor in tensors.items():
        if not tensor.isfinite().all():
            raise InputError(f"{key} holds values that are not finite")


def _unpickle(path: Path) -> Any:
    try:
        _check_sums(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or 'damaged'})") from None
    except Exception:  # torch raises whatever its parts raise, on one damaged byte or another
        raise InputError(
            f"{path}: cannot be loaded as plain tensors: it is cut off, damaged, no file of "
            "torch.save, or holds other objects, which are never run"
        ) from None


def _is_state(values: Any) -> bool:
    return isinstance(values, dict) and all(isinstance(v, Tensor) for v in values.values())


def _plain(values: dict[Any, Tensor], origin: str) -> dict[str, Tensor]:
    for key, value in values.items():
        kind = torch.int64 if str(key).endswith(COUNTER) else torch.float32
        if value.dtype != kind or value.layout != torch.strided:
            name = str(kind).removeprefix("torch.")
            raise InputError(f"{origin}{key} is no dense {name} tensor")
    parallel = all(str(key).startswith(PARALLEL) for key in values)
    return {
        str(key).removeprefix(PARALLEL if parallel else ""): _own(values.pop(key))
        for key in list(values)
    }


def _check_sums(path: Path) -> None:
    # Since torch 1.6 a file is a ZIP archive; torch writes its check sums but does not read them.
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
        if damaged is not None:
            raise zipfile.BadZipFile(damaged)


def _own(tensor: Tensor) -> Tensor:
    return tensor.detach().clone(memory_format=torch.contiguous_format)
