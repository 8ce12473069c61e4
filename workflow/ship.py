"""Pack trained weights into the package, and measure what half precision loses.

    python workflow/ship.py pack RUN [MODEL ...]
    python workflow/ship.py measure RUN [MODEL ...] [--groups N]

RUN is the folder of a project in which a profile was run, MODEL a folder of its results/models;
without one, all are taken that ship. `pack` writes each to src/tfsdiff/weights, in half precision
and with what it was trained on; models of earlier runs stay beside them. Same input, same bytes.
`measure` draws test groups of RUN by the weights of RUN and by those packed, and notes in
docs/results/weights.json how far both are from the truth, and how long the training took. No image
is kept.
"""

import argparse
import csv
import json
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from tfsdiff import methods
from tfsdiff.common.errors import InputError, exit_code
from tfsdiff.common.files import write_text
from tfsdiff.common.progress import progress
from tfsdiff.core import backend, seeding
from tfsdiff.core.tensors import Batch, levels
from tfsdiff.data.dataset import load_batch, select
from tfsdiff.data.split import PARTS, read_split
from tfsdiff.evaluation.measure import describe
from tfsdiff.methods import shipped, store
from tfsdiff.methods.base import Enlarger, JointMethod, Method
from tfsdiff.methods.tfsdiff_guided.method import GUIDE
from tfsdiff.metrics.error import psnr
from tfsdiff.metrics.ssim import ssim
from tfsdiff.params import Compute, Sampling, validate

ROOT = Path(__file__).resolve().parents[1]
MEASURED = ROOT / "docs/results/weights.json"
METHODS = ("tfsdiff_guided", "sr3", "cddfuse", "tgfuse", "ddfm", "ctsr")
LIMIT = 20 * 10**6  # bytes of all files
SEED = 1  # of what is measured
PREFIX = f"{GUIDE}."  # of tensors that may be those of another model

Tensors = dict[str, Tensor]


@dataclass(frozen=True)
class Run:
    """The folder of a project in which a profile was run."""

    folder: Path

    @cached_property
    def params(self) -> dict[str, Any]:
        """Its parameters."""
        return yaml.safe_load(_text(self.folder / "params.yaml"))

    @property
    def split(self) -> Path:
        """The split that its networks were trained by."""
        return self.folder / f"data/splits/{self.params['split']['rule']}.csv"

    def models(self, names: Sequence[str]) -> list[Path]:
        """Folders of the models called `names`, or of all that ship.

        Raises:
            InputError: one is not there.
        """
        folder = self.folder / "results/models"
        if names:
            found = [folder / name for name in names]
        else:
            at = (path.parent for path in folder.glob(f"*/{store.PARAMS}"))
            found = sorted(path for path in at if path.name.rpartition("-x")[0] in METHODS
                           or path.name in METHODS)  # fmt: skip
        if not found:
            raise InputError(f"{folder}: has none of {', '.join(METHODS)}; has the run finished?")
        return found

    def data(self, scale: int | None) -> dict[str, Any]:
        """What a model with or without `scale` was trained on.

        Raises:
            InputError: a patient of the test is in training.
        """
        places = read_split(self.split)
        patients = {p: sorted({x.patient for x in places if x.part == p}) for p in PARTS}
        if seen := set(patients["train"]) & set(patients["test"]):
            raise InputError(f"{self.split}: {min(seen)} is in training and test; split by patient")
        pairs = _rows(self.folder / "data/pairs/manifest.csv")
        patients["pairs"] = sorted({row["case"] for row in pairs}, key=lambda x: (len(x), x))
        found = {
            "profile": self.params["profile"],
            "source": self.params["data"]["source"],
            "pixels": self.params["resolution"]["hr_pixels"],
            "split": places[0].rule,
            "patients": patients,
            "groups": sum(place.part == "train" for place in places),
            "pairs": len(pairs),
        }
        if scale is not None:  # fusers learn from groups and pairs alone
            found["computed_groups"] = len(_rows(self.folder / "data/synthetic/manifest.csv"))
        return found

    def seconds(self, model: str) -> int | None:
        """Time by the clock of the jobs that trained `model`, by the logs of Snakemake."""
        total = 0
        for log in sorted((self.folder / ".snakemake/log").glob("*.snakemake.log")):
            begun: dict[str, datetime] = {}
            for time, text in _events(log.read_text(encoding="utf-8")):
                (number,) = re.findall(r"jobid: (\d+)", text)[:1] or [""]
                if re.search(rf"output: results/models/{re.escape(model)}(?:,|$)", text, re.M):
                    begun[number] = time
                elif number in begun and "Finished jobid" in text:
                    total += int((time - begun.pop(number)).total_seconds())
        return total or None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; has the run finished?") from None


def _rows(manifest: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(_text(manifest).splitlines()))


def _events(text: str) -> Iterator[tuple[datetime, str]]:
    """What a log of Snakemake says, with its time."""
    parts = re.split(r"^\[(\w{3} \w{3} +\d+ \d\d:\d\d:\d\d \d{4})\]$", text, flags=re.MULTILINE)
    for time, said in zip(parts[1::2], parts[2::2], strict=True):
        yield datetime.strptime(time, "%a %b %d %H:%M:%S %Y"), said


def pack(run: Run, names: Sequence[str], out: Path) -> list[Path]:
    """Write models of a run to the folder `out`; return the folders.

    Raises:
        InputError: a model is missing or cannot be halved, or all are too large together.
    """
    stored = {folder.name: store.read(folder) for folder in run.models(names)}
    packed = {name: halved(tensors, name) for name, (tensors, _) in stored.items()}
    kept = {path.parent.name: path.parent for path in out.glob(f"*/{store.WEIGHTS}")}
    for name, (_, values) in stored.items():
        values[shipped.DATA] = run.data(values["scale"])
        if methods.method_class(values["settings"][methods.METHOD]).sampled:
            values[shipped.SAMPLING] = run.params["sampling"]
        guide = f"{values['settings'].get(GUIDE)}-x{values['scale']}"
        if _is_of(packed[name], packed.get(guide)):
            values[store.BESIDE] = {PREFIX: guide}
            packed[name] = {k: x for k, x in packed[name].items() if not k.startswith(PREFIX)}
    _check_kept({name: path for name, path in kept.items() if name not in packed}, packed)
    size = sum(x.nbytes for tensors in packed.values() for x in tensors.values())
    size += sum(_size(path) for name, path in kept.items() if name not in packed)
    if size > LIMIT:
        raise InputError(f"{out}: {size:,} bytes in all, more than {LIMIT:,}; pack fewer models")
    for name, tensors in packed.items():
        store.write(out / name, tensors, stored[name][1])
    return [out / name for name in packed]


def halved(tensors: Tensors, name: str = "weights") -> Tensors:
    """Tensors with floating-point numbers in half precision; whole numbers stay as they are.

    Raises:
        InputError: a number is too large for it.
    """
    found = {key: x.half() if x.is_floating_point() else x for key, x in tensors.items()}
    for key, tensor in found.items():
        if not torch.isfinite(tensor).all():
            raise InputError(f"{name}: {key} has numbers that half precision cannot hold")
    return found


def _is_of(tensors: Tensors, guide: Tensors | None) -> bool:
    """Whether the guide within `tensors` is `guide`, bit for bit."""
    if guide is None:
        return False
    own = {k.removeprefix(PREFIX): x for k, x in tensors.items() if k.startswith(PREFIX)}
    return own.keys() == guide.keys() and all(torch.equal(own[key], guide[key]) for key in own)


def _check_kept(kept: dict[str, Path], packed: dict[str, Tensors]) -> None:
    """Models that stay must not lose the guide that they were trained with."""
    for name, folder in kept.items():
        values = yaml.safe_load(_text(folder / store.PARAMS))
        for guide in values.get(store.BESIDE, {}).values():
            if guide in packed and not _is_of(halved(store.read(folder)[0]), packed[guide]):
                raise InputError(f"{name}: is guided by the older {guide}; pack both")


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def measure(run: Run, names: Sequence[str], count: int | None, out: Path) -> dict[str, Any]:
    """Compare packed models with those of the run; the notes by model.

    Args:
        run: of the models.
        names: of the models, or all.
        count: test groups, the first ones; None: all.
        out: folder of the packed models.
    """
    compute = backend.make(validate(run.params["compute"], Compute, run.folder))
    groups = select(run.folder / "data/hr", run.split, "test")[:count]
    notes = {}
    for folder in run.models(names):
        scores: dict[str, list[float]] = {"PSNR": [], "PSNR_halved": [], "SSIM": []}
        pair = [methods.load_method(path / folder.name, compute,
                                    validate(run.params["sampling"], Sampling, run.folder))
                for path in (folder.parent, out)]  # fmt: skip
        for group in progress(groups, folder.name):
            truth, low = images(run.folder, group, pair[0])
            exact, rough = (_levels(drawn(method, low)) for method in pair)
            scores["PSNR"] += psnr(exact, truth).tolist()
            scores["PSNR_halved"] += psnr(rough, truth).tolist()
            scores["SSIM"] += ssim(rough, truth).tolist()
        notes[folder.name] = {
            "command": f"python workflow/ship.py measure RUN {folder.name}"
            + ("" if count is None else f" --groups {count}"),
            "of": "enlarged sources" if isinstance(pair[0], Enlarger) else "fused images",
            "groups": len(groups),
            "machine": describe(compute.device, torch.get_num_threads()),
            "seconds": run.seconds(folder.name),
            **{key: round(sum(found) / len(found), 4) for key, found in scores.items()},
        }
    return notes


def images(run: Path, group: Any, method: Method) -> tuple[Tensor, Batch]:
    """What `method` should make of a group, in levels (N, 3, H, W), and what it makes it of."""
    high = load_batch(run / "data/hr", [group], run / "data/truth")
    truth = high.sources[0] if isinstance(method, Enlarger) else high.truth
    small = isinstance(method, Enlarger | JointMethod)
    low = load_batch(run / f"data/lr/x{method.scale}", [group]) if small else high
    return levels(truth), low


def drawn(method: Method, batch: Batch) -> Tensor:
    """Sources (3, 3, H, W) that `method` enlarges, or the image (1, 3, H, W) that it fuses."""
    if isinstance(method, Enlarger):
        noise = [seeding.generator(SEED, "enlarge", i) for i in range(batch.sources.shape[1])]
        return method.enlarge(batch.sources[0], noise)
    return method.fuse(batch, [seeding.generator(SEED, "fuse")])


def _levels(pictures: Tensor) -> Tensor:
    return levels(pictures.cpu())


def main(arguments: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("command", choices=("pack", "measure"))
    parser.add_argument("run", type=Path)
    parser.add_argument("models", nargs="*", metavar="MODEL")
    parser.add_argument("--groups", type=int, help="test groups to measure (all)")
    parser.add_argument("--out", type=Path, default=shipped.FOLDER, help="of the packed models")
    options = parser.parse_args(arguments)

    def action() -> None:
        run = Run(options.run)
        if options.command == "pack":
            for folder in pack(run, options.models, options.out):
                print(f"{folder.name}: {_size(folder):,} bytes")
            return
        notes = json.loads(MEASURED.read_text(encoding="utf-8")) if MEASURED.is_file() else {}
        found = measure(run, options.models, options.groups, options.out)
        text = json.dumps(dict(sorted((notes | found).items())), indent=2)
        write_text(MEASURED, f"{text}\n")
        for name, one in found.items():
            print(f"{name}: {one['PSNR']:.2f} dB, {one['PSNR_halved'] - one['PSNR']:+.4f} by half")

    return exit_code(action)


if __name__ == "__main__":
    sys.exit(main())
