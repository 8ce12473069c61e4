"""Networks trained by others: tensors of a safetensors file, or downloaded by torchvision.

Whatever is wrong with them is a ValueError of one line, to which the caller adds the cure.
"""

import contextlib
import http.client
import io
import os
import pickle
import socket
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

TORCHVISION = "torchvision"  # in place of a file: what torchvision has in its cache or downloads
DOWNLOAD_TIMEOUT_SECONDS = 20.0
# What torch.load raises on damaged files.
DAMAGES = (RuntimeError, ValueError, EOFError, pickle.UnpicklingError, zipfile.BadZipFile)

Shapes = Mapping[str, tuple[int, ...]]


def read(path: Path, shapes: Shapes) -> dict[str, Tensor]:
    """Take the tensors that `shapes` names out of a safetensors file, as float32.

    Raises:
        ValueError: the file is missing or damaged, or a tensor is not as it must be.
    """
    if not path.is_file():
        raise ValueError(f"{path} is no file")
    try:
        return _select(load_file(path), shapes)
    except (SafetensorError, OSError, ValueError) as error:
        raise ValueError(f"{path}: {' '.join(str(error).split())}") from None


def download(url: str, shapes: Shapes) -> dict[str, Tensor]:
    """Take the tensors that `shapes` names out of what torch.hub has of `url`, or downloads.

    Args:
        url: ends in the first digits of the file's SHA-256, as torchvision's addresses do.
        shapes: of the tensors, by their keys.

    Returns:
        Finite float32 tensors of these keys and shapes.

    Raises:
        ValueError: they cannot be had; says why, the same on every machine.
    """
    try:
        with _socket_timeout(DOWNLOAD_TIMEOUT_SECONDS), _silence():
            # The defaults of torch would unpickle what came, unchecked.
            tensors = torch.hub.load_state_dict_from_url(
                url, map_location="cpu", progress=False, check_hash=True, weights_only=True
            )
        return _select(tensors, shapes)
    except (*DAMAGES, OSError, http.client.HTTPException) as error:
        raise ValueError(
            f"weights could not be downloaded from {url} ({_reason(url, error)})"
        ) from None


def take(tensors: Mapping[str, Tensor], key: str, shape: tuple[int, ...]) -> Tensor:
    """Take one tensor as float32.

    Raises:
        ValueError: it is missing, of another shape than `shape`, or not finite.
    """
    if not isinstance(tensors, Mapping) or key not in tensors:
        raise ValueError(f"{key} is missing")
    tensor = tensors[key]
    if not isinstance(tensor, Tensor) or tensor.shape != shape or not tensor.isfinite().all():
        raise ValueError(f"{key} must be finite and of shape {shape}")
    return tensor.float()


def _select(tensors: Mapping[str, Tensor], shapes: Shapes) -> dict[str, Tensor]:
    return {key: take(tensors, key, shape) for key, shape in shapes.items()}


def _reason(url: str, error: Exception) -> str:
    """Say in one line what went wrong, the same on every machine: without its paths."""
    name = Path(url).name
    # Unlike Path.exists, access does not raise where a folder may not be entered.
    if os.access(Path(torch.hub.get_dir(), "checkpoints", name), os.F_OK):
        return f"{name} in torch's cache cannot be used; delete it"
    text = getattr(error, "strerror", None) or str(error)
    return f"{type(error).__name__}: {' '.join(text.split())}"


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    # torch.hub announces downloads, on one stream or the other.
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield


@contextlib.contextmanager
def _socket_timeout(seconds: float) -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
