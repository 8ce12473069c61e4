"""Base classes of methods: enlargers, fusers, and joint methods, which do both at once.

An *enlarger* turns low-resolution sources into high-resolution ones (bicubic, SR3). A *fuser* turns
three high-resolution sources into one image (BitonicX, mean, copy). A *joint method* turns
low-resolution sources into the fused high-resolution image (TFS-Diff). All are stored alike; one
that learns nothing has an empty state. Methods know nothing of paths, metrics and other methods.
"""

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from tfsdiff.common.errors import InputError
from tfsdiff.core.backend import Backend
from tfsdiff.core.tensors import Batch, Pairs
from tfsdiff.params import Sampling, Section


@dataclass(frozen=True)
class Examples:
    """Images to learn from, in memory.

    Attributes:
        high: groups at high resolution; `high.truth` is the fused ground truth, for joint
            methods, else None.
        low: the same groups at low resolution, `low.truth` is None; None for a method that works at
            one size.
        pairs: pairs of images beside the groups, of the size of `high`; may be none at all.
        guided: the groups with their sources enlarged by the guide of the method, and its first
            guess as `truth`; None for a method without a guide.
        computed: further groups, made from others, some at a time; can be gone through repeatedly.
        repeats: how often each group comes in an epoch; empty: once.
    """

    high: Batch
    low: Batch | None = None
    pairs: Pairs | None = None
    guided: Batch | None = None
    computed: Iterable["Examples"] = ()
    repeats: tuple[int, ...] = ()


@dataclass(frozen=True)
class Imported:
    """A released checkpoint that was recognised.

    Attributes:
        settings: of the method.
        tensors, values: what `Method.restore` takes.
        summary: one line for the user: what it was.
    """

    settings: dict[str, Any]
    tensors: dict[str, Tensor]
    values: dict[str, Any]
    summary: str


class Method:
    """Base of all methods: holds settings, learns nothing, stores nothing.

    Attributes:
        name: its key in the registry.
        learned: whether it has weights, which `restore` takes.
        importable: whether `import_released` reads checkpoints of the released code.
        sampled: whether it draws by a sampler, as `sampling` says.
        published: settings for whoever has no configuration, where a publication has fixed them.
        settings: hyper-parameters, of the method's own class `Settings`.
        scale: factor of enlargement, where the method enlarges.
        sampling: how a diffusion model draws its images; no part of what was learned.
    """

    Settings: ClassVar[type[Section]]
    name: ClassVar[str]
    learned: ClassVar[bool] = False
    importable: ClassVar[bool] = False
    sampled: ClassVar[bool] = False
    published: ClassVar[dict[str, Any]] = {}

    def __init__(
        self, settings: Section, scale: int | None = None, sampling: Sampling | None = None
    ) -> None:
        self.settings = settings
        self.scale = scale
        self.sampling = sampling

    def with_sampling(self, sampling: Sampling) -> Self:
        """The same method, drawing as `sampling` says; the two share their weights."""
        other = copy.copy(self)
        other.sampling = sampling
        return other

    @classmethod
    def import_released(cls, checkpoint: Path, groups: int | None) -> Imported:
        """Read a checkpoint of the released code, strictly: all keys and shapes must be its.

        Args:
            checkpoint: the file; nothing in it is unpickled but tensors.
            groups: of group normalisations, of which a checkpoint has no trace; None: as released.
                A method that normalises no groups passes over it.

        Raises:
            InputError: there is no such checkpoint of the method, or the file is not one.
        """
        raise InputError(f"{cls.__name__}: no released checkpoint of it can be imported")

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """What was learned: tensors, and plain values: all that `restore` needs, and the recipe."""
        return {}, {}

    def restore(self, tensors: dict[str, Tensor], values: dict[str, Any], backend: Backend) -> None:
        """Take back what `state` gave, to compute by `backend`.

        Raises:
            InputError: tensors or values are not those of such a method.
        """


class Enlarger(Method):
    """Turns low-resolution images into high-resolution ones."""

    def enlarge(self, images: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
        """Enlarge (B, 3, h, w) in [0, 1] to (B, 3, h * scale, w * scale) in [0, 1].

        `generators` holds one generator an image: an image's result does not depend on its batch.
        """
        raise NotImplementedError


class Fuser(Method):
    """Turns three sources into one image of their size."""

    def fuse(self, batch: Batch, generators: Sequence[torch.Generator]) -> Tensor:
        """Fuse `batch.sources` to (B, 3, H, W) in [0, 1]; one generator an image."""
        raise NotImplementedError


class JointMethod(Fuser):
    """Turns three low-resolution sources into one image, `scale` times as large as they are."""
