"""CTSR: fusion of three images by rolling guidance, sparse codes and an adaptive choice of energy.

Source: Y. Jie et al., "Tri-modal medical image fusion based on adaptive energy choosing scheme and
sparse representation", Measurement 204, 2022, as its released code has it. The dictionary is
learned from the training images, or read from a file. Letters such as R5 are entries of
docs/methods/ctsr.md.
"""

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from tfsdiff.common.errors import InputError
from tfsdiff.core.backend import Backend
from tfsdiff.methods.base import Imported
from tfsdiff.methods.classical import ClassicalFuser, Group, fuse_two_by_two
from tfsdiff.methods.ctsr.dictionary import checked, read_dictionary
from tfsdiff.methods.ctsr.laplacian import brighter_or_sharper
from tfsdiff.methods.ctsr.rolling import rolling_guidance
from tfsdiff.methods.ctsr.sparse import SIDE, fuse_sparse
from tfsdiff.params import Count, Odd, Section

LEARNED = "learned"
RELEASED = {
    "dictionary": LEARNED,
    "learned_from": "images",
    "atoms": 512,
    "sparsity": 20,
    "iterations": 180,
    "patches": 10**9,  # all there are
    "rolling_pixels": 3.0,
    "rolling_levels": 0.05,
    "rolling_passes": 3,
    "stride": 2,
    "error": 0.01,
    "threshold": 9e-5,
    "window_pixels": 3,
}
Positive = Annotated[float, Field(gt=0)]


class Settings(Section):
    """How CTSR is run, and how its dictionary is learned."""

    dictionary: str  # "learned", or a file
    learned_from: Literal["images", "textures"]  # whole images, or the layer that is coded
    atoms: Count  # of a learned dictionary
    sparsity: Count  # most atoms a patch, while learning
    iterations: Count  # of K-SVD
    patches: Count  # most patches learned from
    rolling_pixels: Positive  # deviation of the rolling guidance filter in the plane
    rolling_levels: Positive  # and over the values of the guide
    rolling_passes: Count  # of that filter
    stride: Annotated[int, Field(ge=1, le=SIDE)]  # pixels between the patches that are fused
    error: Positive  # norm of a patch's residual at which coding ends
    threshold: Positive  # difference in brightness below which the sharper structure is taken
    window_pixels: Odd  # side of the window that sharpness is summed in


class CTSR(ClassicalFuser):
    """Fuses each group by `fuse_ctsr`, with a dictionary."""

    name = "ctsr"
    Settings: ClassVar[type[Section]] = Settings
    learned = True
    importable = True
    _dictionary: np.ndarray | None = None
    _recipe: dict[str, Any]

    @classmethod
    def import_released(cls, checkpoint: Path, groups: int | None) -> Imported:
        """Read the dictionary of the released code, or another file that `read_dictionary` knows.

        `groups` means nothing to a dictionary.
        """
        dictionary = read_dictionary(checkpoint)
        atoms = dictionary.shape[1]
        return Imported(
            RELEASED | {"atoms": atoms},
            {"dictionary": torch.from_numpy(dictionary)},
            {},
            f"ctsr, a dictionary of {atoms} atoms of {SIDE} x {SIDE} pixels",
        )

    def set_dictionary(self, dictionary: np.ndarray, recipe: dict[str, Any]) -> None:
        """Fuse by `dictionary` (64, A) from now on; `recipe` is stored beside it."""
        self._dictionary, self._recipe = dictionary, recipe

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """The dictionary (64, A) in float64, and the seed it was learned with."""
        if self._dictionary is None:
            raise ValueError("nothing was learned yet")
        return {"dictionary": torch.from_numpy(self._dictionary.copy())}, self._recipe

    def restore(self, tensors: dict[str, Tensor], values: dict[str, Any], backend: Backend) -> None:
        """Take back what `state` gave, or the same in float32: then scaled to length 1 again."""
        if set(tensors) != {"dictionary"}:
            raise InputError("weights are not those of CTSR, a dictionary; train again")
        matrix = tensors["dictionary"].cpu().numpy()
        settings = self.settings
        if settings.dictionary == LEARNED and matrix.shape[1:] != (settings.atoms,):
            raise InputError(
                f"weights do not fit: a dictionary of shape {matrix.shape} for {settings.atoms} "
                "atoms; train again"
            )
        unit = checked(matrix, "dictionary")
        rounded = matrix.dtype == np.float32  # to half precision when it was stored
        if not (rounded or matrix.dtype == unit.dtype) or not np.allclose(
            matrix, unit, rtol=0, atol=1e-3 if rounded else 1e-9
        ):
            raise InputError("dictionary: its atoms are not float64 of length 1; train again")
        self.set_dictionary(unit if rounded else matrix, values)

    def fuse_group(self, group: Group, generator: torch.Generator) -> np.ndarray:
        """Fuse a group to RGB (H, W, 3) in [0, 1]; draws no random numbers."""
        if self._dictionary is None:
            raise ValueError("ctsr needs a dictionary, by a training or `restore`")
        return fuse_ctsr(group, self._dictionary, self.settings)[0]


def fuse_ctsr(
    group: Group, dictionary: np.ndarray, settings: Settings
) -> tuple[np.ndarray, np.ndarray]:
    """Fuse `group`; see `fuse_two_by_two`.

    Structure and texture are chosen apart, so that their sum may reach 1.4 (R5); it is clipped at
    the end alone.

    Args:
        group: images of 8 pixels or more a side.
        dictionary: (64, A), atoms of 8 x 8 pixels, column-major, of length 1.
        settings: how to run.
    """

    def fused(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        return fuse_pair(first, second, dictionary, settings)

    return fuse_two_by_two(group, fused, fused)


def fuse_pair(
    first: np.ndarray, second: np.ndarray, dictionary: np.ndarray, settings: Settings
) -> np.ndarray:
    """Fuse two images (H, W) to one, which may leave their range."""
    images = [np.asarray(image, np.float64) for image in (first, second)]
    smooth = [smoothed(image, settings) for image in images]
    fine = [image - low for image, low in zip(images, smooth, strict=True)]
    texture = fuse_sparse(*fine, dictionary, settings.stride, settings.error)
    return texture + brighter_or_sharper(*smooth, settings.threshold, settings.window_pixels)


def smoothed(image: np.ndarray, settings: Settings) -> np.ndarray:
    """Structure of `image` (H, W); what it lacks of the image is texture."""
    return rolling_guidance(
        image, settings.rolling_pixels, settings.rolling_levels, settings.rolling_passes
    )
