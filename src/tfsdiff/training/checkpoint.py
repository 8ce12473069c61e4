"""Checkpoints, from which a killed training resumes: one file, written atomically, no pickles.

Tensors and plain values lie in one safetensors file (values as JSON in its header), so there is no
moment at which they disagree. States of random generators are not needed: every random number is
derived from (seed, step).
"""

import hashlib
import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from tfsdiff.common.errors import InputError
from tfsdiff.common.files import replacing

LAST, BEST = "last.safetensors", "best.safetensors"


def fingerprint(values: Any, tensors: Iterable[Tensor]) -> str:
    """Hash plain values and the bytes of tensors, to recognise the same training again."""
    digest = hashlib.sha256(json.dumps(values, sort_keys=True).encode())
    for tensor in tensors:
        digest.update(str(tuple(tensor.shape)).encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().data)
    return digest.hexdigest()


def joined(states: Mapping[str, Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Tensors of several states in one dictionary, e.g. "network/downs.0.weight"."""
    return {f"{part}/{name}": x for part, state in states.items() for name, x in state.items()}


def parted(tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """The states that `joined` took."""
    states: dict[str, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        part, name = key.split("/", 1)
        states.setdefault(part, {})[name] = tensor
    return states


@dataclass(frozen=True)
class Checkpoint:
    """The checkpoints of one training in `folder`: the last state, and the best weights.

    The two files need not be of one moment: a training resumed from before its best validation
    meets that validation again.

    Attributes:
        folder: where the files lie; may not exist yet.
        fingerprint: of everything that determines the training; another one is not resumed.
    """

    folder: Path
    fingerprint: str

    def save(self, tensors: dict[str, Tensor], values: dict[str, Any], file: str = LAST) -> None:
        """Replace a checkpoint.

        Raises:
            InputError: it cannot be written; the one before it is still there.
        """
        contiguous = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
        header = {"fingerprint": self.fingerprint, "values": json.dumps(values)}
        try:
            with replacing(self.folder / file) as temporary:
                save_file(contiguous, temporary, header)
        except (OSError, SafetensorError) as error:
            size = sum(tensor.nbytes for tensor in contiguous.values()) / 1e6
            raise InputError(
                f"{self.folder / file}: cannot be written ({error}); make room for {size:.1f} MB "
                "and run again, the training then goes on from the checkpoint before"
            ) from None

    def load(self, file: str = LAST) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """Give what `save` took, or None where there is nothing to resume; says why on stderr."""
        path = self.folder / file
        if not path.exists():
            return None
        try:
            with safe_open(path, "pt") as opened:
                header = opened.metadata() or {}
                if header.get("fingerprint") != self.fingerprint:
                    return _ignore(path, "it belongs to other data or parameters")
                names = opened.keys()
                tensors = {name: opened.get_tensor(name) for name in names}
        except (OSError, SafetensorError) as error:
            return _ignore(path, f"it cannot be read ({error})")
        return tensors, json.loads(header["values"])

    def sweep(self) -> None:
        """Delete what a process has left behind that was killed while it wrote."""
        for left_over in self.folder.glob(".*.partial-*"):
            left_over.unlink(missing_ok=True)

    def remove(self) -> None:
        """Delete the checkpoints, and their folder if nothing else is in it."""
        for file in (LAST, BEST):
            (self.folder / file).unlink(missing_ok=True)
        self.sweep()
        if self.folder.is_dir() and not any(self.folder.iterdir()):
            self.folder.rmdir()


def _ignore(path: Path, reason: str) -> None:
    sys.stderr.write(f"{path}: not resumed, {reason}; training starts anew\n")
