"""Control: one of the sources as it is."""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from tfsdiff.core.tensors import Batch
from tfsdiff.methods.base import Fuser
from tfsdiff.params import Section

ORDER = ("anatomical_1", "anatomical_2", "functional")


class Settings(Section):
    """Which source to return."""

    source: Literal["anatomical_1", "anatomical_2", "functional"]  # the image returned


class Copy(Fuser):
    """Returns the source that its settings name."""

    name = "copy"
    Settings = Settings
    published: ClassVar[dict[str, Any]] = {"source": "anatomical_2"}

    def fuse(self, batch: Batch, generators: Sequence[torch.Generator]) -> Tensor:
        """Fuse `batch.sources` to (B, 3, H, W) in [0, 1]."""
        return batch.sources[:, ORDER.index(self.settings.source)]
