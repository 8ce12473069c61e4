"""The folder of a method: weights.safetensors and params.yaml, same parameters, same bytes."""

from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from tfsdiff.common.errors import InputError
from tfsdiff.common.files import replacing
from tfsdiff.params import read_yaml

WEIGHTS = "weights.safetensors"
PARAMS = "params.yaml"
# Key of what lies in a folder beside this one: prefixes of tensors, and the folder's name.
BESIDE = "beside"


def write(folder: Path, tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
    """Replace `folder`; no time, host or path enters it."""
    with replacing(folder) as temporary:
        temporary.mkdir()
        save_file(tensors, temporary / WEIGHTS)
        text = yaml.safe_dump(values, sort_keys=False)
        (temporary / PARAMS).write_text(text, encoding="utf-8")


def read(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `write` wrote.

    Tensors of half precision, as shipped weights have them, become float32. Tensors that the values
    name under `beside` come from that folder.

    Raises:
        InputError: a file is missing or not what it should be.
    """
    tensors, values = _read(folder)
    for prefix, name in values.pop(BESIDE, {}).items():
        others, _ = _read(folder.parent / name)
        tensors |= {f"{prefix}{key}": tensor for key, tensor in others.items()}
    return {k: x.float() if x.dtype == torch.half else x for k, x in tensors.items()}, values


def _read(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    for name in (WEIGHTS, PARAMS):
        if not (folder / name).is_file():
            raise InputError(
                f"{folder}: has no {name}; name a folder that `train` or `import-weights` wrote"
            )
    try:
        tensors = load_file(folder / WEIGHTS)
    except (OSError, SafetensorError) as error:
        raise InputError(f"{folder / WEIGHTS}: cannot be read ({error}); train again") from None
    return tensors, read_yaml(folder / PARAMS)
