"""The MNI152 average brain that nilearn ships, and what is derived from it once a process.

The ICBM 152 non-linear symmetric 2009a maps (Fonov et al., NeuroImage 54:313, 2011) lie inside the
nilearn package. They are read there by nibabel alone: `nilearn.datasets` takes seconds to import.
"""

import importlib.util
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import nibabel
import numpy as np
from scipy import ndimage

from tfsdiff.common.errors import InputError

ORIGIN_MM = np.array([-98.0, -134.0, -72.0])  # of voxel 0, 0, 0; voxels are 1 mm
COARSE_MM = 2  # grid of the derived maps
MARGIN = 16  # coarse voxels around the volume, room for the scalp
CLOSING_MM = 22.0  # sulci narrower than twice this do not dent the skull
LOWEST, HIGHEST = 40, 188  # voxel slices that planes can touch; below lie the face and the neck


@dataclass(frozen=True)
class Maps:
    """Average anatomy, indexed x, y, z.

    Attributes:
        grey: fraction of grey matter, 1 mm voxels, in [0, 1].
        white: fraction of white matter, 1 mm voxels, in [0, 1].
        outside: signed distance in mm to the smooth hull of the brain, positive outside; coarse.
        ventricles: smooth fraction of deep CSF in [0, 1]; coarse.
    """

    grey: np.ndarray
    white: np.ndarray
    outside: np.ndarray
    ventricles: np.ndarray

    def fine(self, volume: np.ndarray, points: np.ndarray) -> np.ndarray:
        """Linear interpolation of a 1 mm volume at points (3, H, W) in MNI mm; 0 outside."""
        index = points - ORIGIN_MM[:, None, None]
        index[2] -= LOWEST
        return ndimage.map_coordinates(volume, index, order=1, mode="constant")

    def coarse(self, volume: np.ndarray, points: np.ndarray) -> np.ndarray:
        """Linear interpolation of a coarse volume at points (3, H, W) in MNI mm."""
        index = points - ORIGIN_MM[:, None, None]
        index[2] -= LOWEST
        index = (index - (COARSE_MM - 1) / 2) / COARSE_MM + MARGIN
        return ndimage.map_coordinates(volume, index, order=1, mode="nearest")


@lru_cache(maxsize=1)
def load_maps() -> Maps:
    """Read the maps from the installed nilearn package; nothing is downloaded or written."""
    folder = _nilearn_folder()
    grey, white = (_read(folder, name) for name in ("gm", "wm"))
    coarse_grey, coarse_white = (_reduce(volume) for volume in (grey, white))
    outside = _distance_to_hull(coarse_grey + coarse_white > 0.35)
    deep_csf = np.clip(1 - coarse_grey - coarse_white, 0, 1) * _ventricle_box(outside)
    return Maps(grey, white, outside, ndimage.gaussian_filter(deep_csf, 1.2))


def _nilearn_folder() -> Path:
    spec = importlib.util.find_spec("nilearn")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("the MNI152 maps are nilearn's", name="nilearn")
    return Path(spec.origin).parent / "datasets" / "data"


def _read(folder: Path, tissue: str) -> np.ndarray:
    path = folder / f"mni_icbm152_{tissue}_tal_nlin_sym_09a_converted.nii.gz"
    if not path.is_file():
        raise InputError(f"{path}: not in this version of nilearn; install nilearn>=0.11,<1")
    voxels = np.asarray(nibabel.load(path).dataobj)[:, :, LOWEST : HIGHEST + 1]
    return voxels.astype(np.float32) / 255


def _reduce(volume: np.ndarray) -> np.ndarray:
    """Mean over cubes of `COARSE_MM` mm, with `MARGIN` around."""
    even = volume[tuple(slice(0, n - n % COARSE_MM) for n in volume.shape)]
    x, y, z = (n // COARSE_MM for n in even.shape)
    mean = even.reshape(x, COARSE_MM, y, COARSE_MM, z, COARSE_MM).mean((1, 3, 5))
    return np.pad(mean, MARGIN)


def _distance_to_hull(brain: np.ndarray) -> np.ndarray:
    """Signed distance in mm to `brain` after closing: its sulci and fissures filled."""
    brain[:, :, :MARGIN] = brain[:, :, MARGIN : MARGIN + 1]  # the neck goes on below the volume
    grown = ndimage.distance_transform_edt(~brain, sampling=COARSE_MM) <= CLOSING_MM
    inward = ndimage.distance_transform_edt(grown, sampling=COARSE_MM) - CLOSING_MM
    outward = ndimage.distance_transform_edt(inward <= 0, sampling=COARSE_MM)
    signed = np.where(inward > 0, COARSE_MM / 2 - inward, outward - COARSE_MM / 2)
    return ndimage.gaussian_filter(signed, 2.5).astype(np.float32)


def _ventricle_box(outside: np.ndarray) -> np.ndarray:
    """Mask of where CSF belongs to the lateral ventricles: deep, central, not in the cisterns."""
    shape = outside.shape
    mm = [(np.arange(n) - MARGIN + 0.25) * COARSE_MM for n in shape]
    x, y, z = (mm[axis] + ORIGIN_MM[axis] + (LOWEST if axis == 2 else 0) for axis in range(3))
    inside = (np.abs(x) < 36)[:, None, None] & ((y > -56) & (y < 40))[None, :, None]
    cisterns = (np.abs(x) < 9)[:, None, None] & (y < -22)[None, :, None]
    return inside & ~cisterns & ((z > -5) & (z < 34))[None, None, :] & (outside < -22)
