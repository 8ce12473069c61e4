"""What a killed training resumes from: one file, written whole or not at all, without pickles.

Tensors and plain values lie in one safetensors file (values as JSON in its header), so there is no
moment at which they disagree. States of random generators are not needed: every random number is
derived from (seed, step).
"""

import hashlib
import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from tfsdiff.files import replacing

FILE = "checkpoint.safetensors"


def fingerprint(values: Any, tensors: Iterable[Tensor]) -> str:
    """Hash plain values and the bytes of tensors, to recognise the same training again."""
    digest = hashlib.sha256(json.dumps(values, sort_keys=True).encode())
    for tensor in tensors:
        digest.update(str(tuple(tensor.shape)).encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().data)
    return digest.hexdigest()


@dataclass(frozen=True)
class Checkpoint:
    """The checkpoint of one training in `folder`.

    Attributes:
        folder: where the file lies; may not exist yet.
        fingerprint: of everything that determines the training; another one is not resumed.
    """

    folder: Path
    fingerprint: str

    def save(self, tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
        """Replace the checkpoint."""
        contiguous = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
        header = {"fingerprint": self.fingerprint, "values": json.dumps(values)}
        with replacing(self.folder / FILE) as temporary:
            save_file(contiguous, temporary, header)

    def load(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """Give what `save` took, or None where there is nothing to resume; says why on stderr."""
        path = self.folder / FILE
        self._sweep()
        if not path.exists():
            return None
        try:
            with safe_open(path, "pt") as file:
                header = file.metadata() or {}
                if header.get("fingerprint") != self.fingerprint:
                    return self._ignore("it belongs to other data or parameters")
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (OSError, SafetensorError) as error:
            return self._ignore(f"it cannot be read ({error})")
        return tensors, json.loads(header["values"])

    def remove(self) -> None:
        """Delete the checkpoint, and its folder if nothing else is in it."""
        (self.folder / FILE).unlink(missing_ok=True)
        self._sweep()
        if self.folder.is_dir() and not any(self.folder.iterdir()):
            self.folder.rmdir()

    def _sweep(self) -> None:
        # A process killed while it wrote has left its temporary file.
        for left_over in self.folder.glob(f".{FILE}.partial-*"):
            left_over.unlink(missing_ok=True)

    def _ignore(self, reason: str) -> None:
        sys.stderr.write(f"{self.folder / FILE}: not resumed, {reason}; training starts anew\n")
