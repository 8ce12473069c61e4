"""Weights that come with the package, and what fuses by them where nothing else is chosen.

They lie in `tfsdiff/weights`, a folder for each, as `store` writes it, in half precision:
METHOD-xSCALE where the method enlarges, else METHOD. Their params.yaml also says how images are
drawn, under `sampling`, and what they were trained on, under `data`. `workflow/ship.py` fills the
folder; whatever lies there is used.
"""

from importlib import resources
from pathlib import Path

from tfsdiff.methods import store

FOLDER = Path(str(resources.files("tfsdiff"))) / "weights"
SAMPLING, DATA = "sampling", "data"  # keys of params.yaml, beside those of a training
JOINT, FUSER = "tfsdiff_guided", "bitonicx"  # what fuses small sources, and sources of full size


def title(name: str, scale: int | None) -> str:
    """Name of the folder of a method at a scale."""
    return name if scale is None else f"{name}-x{scale}"


def all_folders() -> list[Path]:
    """All that there are, sorted by name."""
    return sorted(path.parent for path in FOLDER.glob(f"*/{store.WEIGHTS}"))


def scales(name: str) -> list[int]:
    """Scales at which there are weights of a method, in ascending order."""
    found = (folder.name.removeprefix(f"{name}-x") for folder in all_folders())
    return sorted(int(scale) for scale in found if scale.isdecimal())


def find(name: str, scale: int | None) -> Path | None:
    """Folder of a method at a scale, if there are weights of it."""
    folder = FOLDER / title(name, scale)
    return folder if (folder / store.WEIGHTS).is_file() else None
