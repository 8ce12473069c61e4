"""State dicts of other people's networks: read as plain tensors, without running their code."""

import zipfile
from pathlib import Path

import torch
from torch import Tensor

from tfsdiff.errors import InputError

PARALLEL = "module."  # what torch puts before each key of a network on several GPUs


def load(path: Path) -> dict[str, Tensor]:
    """Load what `torch.save` wrote of a state dict.

    Returns:
        Dense float32 tensors in memory of their own, by key, without the prefix of DataParallel.

    Raises:
        InputError: the file is missing, damaged or cut off, or holds anything else.
    """
    try:
        _check_sums(path)
        values = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or 'damaged'})") from None
    except Exception:  # torch raises whatever its parts raise, on one damaged byte or another
        raise InputError(
            f"{path}: cannot be loaded as plain tensors: it is cut off, damaged, no file of "
            "torch.save, or holds other objects, which are never run"
        ) from None
    if not (isinstance(values, dict) and all(isinstance(v, Tensor) for v in values.values())):
        raise InputError(f"{path}: is no state dict of tensors; name the file of the weights")
    for key, value in values.items():
        if value.dtype != torch.float32 or value.layout != torch.strided:
            raise InputError(f"{path}: {key} is no dense float32 tensor")
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
