"""Blocks about the weights in the package: what they are, learned from, and how good.

What a file is stands in its params.yaml, and what was measured of it in docs/results/weights.json,
which `workflow/ship.py measure` writes. Weights that are not there have no line.
"""

import json
import textwrap
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from safetensors import safe_open

from methods import table
from tfsdiff.methods import method_class, shipped, store
from tfsdiff.methods.base import Enlarger, JointMethod
from tfsdiff.report.labels import method_label

ROOT = Path(__file__).resolve().parents[2]
MEASURED = ROOT / "docs/results/weights.json"
NOTHING = "No weights are in the package yet."
UNKNOWN = "–"


@cache
def _values(folder: Path) -> dict[str, Any]:
    return yaml.safe_load((folder / store.PARAMS).read_text(encoding="utf-8"))


@cache
def _measured() -> dict[str, Any]:
    return json.loads(MEASURED.read_text(encoding="utf-8")) if MEASURED.is_file() else {}


def _numbers(folder: Path) -> int:
    """Numbers in a file of weights."""
    with safe_open(folder / store.WEIGHTS, "numpy") as file:
        return sum(file.get_tensor(key).size for key in file.keys())  # noqa: SIM118


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def files() -> str:
    """Each file: method, scale, numbers, size, steps and time of its training."""
    rows = []
    for folder in shipped.all_folders():
        found = _values(folder)
        beside = " ".join(f"+ `{name}`" for name in found.get(store.BESIDE, {}).values())
        seconds = _measured().get(folder.name, {}).get("seconds")
        rows.append(
            (
                f"`{folder.name}`",
                f"{method_label(found['name'])}, {_kind(found['name'])}",
                f"{_numbers(folder):,} {beside}".strip(),
                f"{_size(folder) / 1e6:.2f} MB",
                _steps(found),
                UNKNOWN if seconds is None else f"{seconds / 60:.0f} min",
                f"`{found[shipped.DATA]['profile']}`",
            )
        )
    heads = ("Weights", "Method", "Numbers", "Size", "Steps", "Trained for", "Profile")
    return table(heads, rows, texts=2) if rows else NOTHING


def _kind(name: str) -> str:
    kind = method_class(name)
    if issubclass(kind, JointMethod):
        return "enlarges and fuses"
    return "enlarges" if issubclass(kind, Enlarger) else "fuses"


def _steps(values: dict[str, Any]) -> str:
    """Steps of a training, or iterations of K-SVD."""
    settings = values["settings"]
    train = values.get("train") or settings.get("train") or {}
    steps = settings.get("steps") or train.get("steps") or settings.get("iterations")
    return UNKNOWN if steps is None else f"{steps:,}"


def total() -> str:
    """Size of all files."""
    return f"{sum(map(_size, shipped.all_folders())) / 1e6:.1f} MB"


def scales(name: str) -> str:
    """Scales at which there are weights of a method, in words."""
    *others, last = map(str, shipped.scales(name))
    return f"{', '.join(others)} or {last}" if others else last


def data() -> str:
    """What the files were learned from, alike ones together; a list."""
    alike: dict[str, list[str]] = {}
    for folder in shipped.all_folders():
        alike.setdefault(_learned_from(_values(folder)), []).append(f"`{folder.name}`")
    lines = [f"- {', '.join(names)}: {text}" for text, names in alike.items()]
    filled = (textwrap.fill(line, 118, subsequent_indent="  ", break_on_hyphens=False,
                            break_long_words=False) for line in lines)  # fmt: skip
    return "\n".join(filled) or NOTHING


def _learned_from(values: dict[str, Any]) -> str:
    found = values[shipped.DATA]
    patients = found["patients"]
    more = [
        f"{found[key]} {words}"
        for key, words in (("computed_groups", "computed groups"), ("pairs", "pairs"))
        if found.get(key) and not (key == "pairs" and "computed_groups" in found)
    ]
    made = ""
    if found.get("computed_groups") and found["pairs"]:
        made = f", made of them and of {found['pairs']} pairs"
    text = (
        f"{found['groups']} groups of {', '.join(patients['train'])}"
        f"{''.join(f' and {one}' for one in more)}{made}, at {found['pixels']} × {found['pixels']} "
        f"pixels. Validated on {', '.join(patients['validation'])}. Never seen: "
        f"{', '.join(patients['test'])}."
    )
    if found["pairs"]:
        text += f" The pairs are of the cases {', '.join(patients['pairs'])}."
    return text


def scores() -> str:
    """How near the truth the files come, in full and in half precision."""
    there = {folder.name for folder in shipped.all_folders()}
    rows = [
        (
            f"`{name}`",
            one["of"],
            f"{one['groups']}",
            f"{one['PSNR']:.2f}",
            f"{one['PSNR_halved']:.2f}",
            f"{one['PSNR_halved'] - one['PSNR']:+.4f}",
            f"{one['SSIM']:.4f}",
        )
        for name, one in _measured().items()
        if name in there
    ]
    if not rows:
        return "Nothing was measured yet."
    heads = ("Weights", "Images", "Test groups", "PSNR [dB]", "halved [dB]", "Change", "SSIM")
    machines = {one["machine"] for name, one in _measured().items() if name in there}
    return f"{table(heads, rows, texts=2)}\n\n{'; '.join(sorted(machines))}."


def commands() -> str:
    """The commands behind each file."""
    parts = []
    for folder in shipped.all_folders():
        profile = _values(folder)[shipped.DATA]["profile"]
        rows = [
            f"python -m tfsdiff.compose profile={profile} data.input=... pairs.input=...",
            f"snakemake --cores 2 results/models/{folder.name}",
            f"python workflow/ship.py pack RUN {folder.name}",
        ]
        if folder.name in _measured():
            rows.append(_measured()[folder.name]["command"])
        parts.append((f"`{folder.name}`", "; ".join(f"`{row}`" for row in rows)))
    return table(("Weights", "Commands"), parts, right=False) if parts else NOTHING


BLOCKS = {
    "weights-files": files,
    "weights-total": total,
    "weights-scales": scales,
    "weights-data": data,
    "weights-scores": scores,
    "weights-commands": commands,
}
