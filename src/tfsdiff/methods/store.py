"""The folder of a method: weights.safetensors and params.yaml, same parameters, same bytes."""

from pathlib import Path
from typing import Any

import yaml
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from tfsdiff.common.errors import InputError
from tfsdiff.common.files import replacing
from tfsdiff.params import read_yaml

WEIGHTS = "weights.safetensors"
PARAMS = "params.yaml"


def write(folder: Path, tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
    """Replace `folder`; no time, host or path enters it."""
    with replacing(folder) as temporary:
        temporary.mkdir()
        save_file(tensors, temporary / WEIGHTS)
        text = yaml.safe_dump(values, sort_keys=False)
        (temporary / PARAMS).write_text(text, encoding="utf-8")


def read(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `write` wrote.

    Raises:
        InputError: a file is missing or not what it should be.
    """
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
