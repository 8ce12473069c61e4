"""Weights in the package: whatever lies there fuses, and is what its params.yaml says."""

import json
import struct
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

import tiny
from tfsdiff import methods
from tfsdiff.acquisition import phantom
from tfsdiff.cli import main
from tfsdiff.data.images import read
from tfsdiff.methods import shipped, store
from tfsdiff.methods.base import Enlarger
from tfsdiff.params import PhantomData

LIMIT = 20 * 10**6  # bytes in all
SIDE = 64  # of a fused image
FOLDERS = shipped.all_folders()
SETTINGS = {
    "source": "phantom",
    "input": "",
    "pixels": 128,
    "patients": 1,
    "slices_per_patient": 1,
    "combinations": ("CT_MR-T2_SPECT-Tc",),
    "lesion_share": 0.0,
}


@pytest.fixture(scope="module")
def group() -> tuple[np.ndarray, ...]:
    return next(phantom.generate(PhantomData(**SETTINGS), 4)).images


def written(images: tuple[np.ndarray, ...], folder: Path, side: int) -> list[str]:
    """Paths of the middle of the images."""
    paths = []
    for name, image in zip(("CT", "MR-T2", "SPECT-Tc"), images, strict=True):
        start = (image.shape[0] - side) // 2
        Image.fromarray(image[start : start + side, start : start + side]).save(
            folder / f"{name}.png"
        )
        paths.append(str(folder / f"{name}.png"))
    return paths


def fuse(paths: list[str], out: Path, *more: object) -> int:
    a, b, f = paths
    images = ("--anatomical", a, b, "--functional", f, "--out", str(out))
    return main(["fuse", *images, *map(str, more)])


def values(folder: Path) -> dict:
    return yaml.safe_load((folder / store.PARAMS).read_text(encoding="utf-8"))


def test_all_are_small_enough():
    files = [path for path in shipped.FOLDER.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= LIMIT
    names = {path.name for path in files if path.parent != shipped.FOLDER}
    assert names <= {store.WEIGHTS, store.PARAMS}  # no image
    assert (shipped.FOLDER / "TERMS.md").is_file()


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_it_is_named_halved_and_learned_from_no_test_patient(folder):
    found = values(folder)
    assert folder.name == shipped.title(found["name"], found["scale"])
    header = (folder / store.WEIGHTS).read_bytes()
    (length,) = struct.unpack("<Q", header[:8])
    kinds = {x["dtype"] for x in json.loads(header[8 : 8 + length]).values() if "dtype" in x}
    assert not kinds & {"F32", "F64", "BF16"}
    patients = found[shipped.DATA]["patients"]
    assert patients["train"]
    assert not set(patients["train"]) & set(patients["test"])
    if methods.method_class(found["name"]).sampled:
        assert found[shipped.SAMPLING]["evaluations"] <= 50


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_it_fuses_a_phantom(folder, group, tmp_path, capsys):
    found = values(folder)
    name, scale = found["name"], found["scale"]
    paths = written(group, tmp_path, SIDE // (scale or 1))
    chosen = ["--method", name]
    if issubclass(methods.method_class(name), Enlarger):
        chosen = ["--method", "mean", "--enlarger", name]
    chosen += ["--scale", scale] if scale else []
    assert fuse(paths, tmp_path / "fused.png", *chosen) == 0
    fused = read(tmp_path / "fused.png")
    assert fused.shape == (SIDE, SIDE, 3)
    assert fused.std() > 10
    assert f"weights: {folder.name} of the package, for research use alone\n" in (
        capsys.readouterr().err
    )


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package with SR3 at x2 and x4 alone."""
    monkeypatch.setattr(shipped, "FOLDER", tmp_path / "weights")
    sampling = {"sampler": "ddim", "evaluations": 2, "spacing": "time", "temperature": 1.0}
    made = tiny.with_weights("sr3", tiny.SR3, tiny.UNET, tiny.DIFFUSION)
    for scale in (2, 4):
        made.scale = scale
        tensors, recipe = made.state()
        recipe |= {shipped.SAMPLING: sampling | {"batch": 16}}
        folder = tmp_path / "weights" / f"sr3-x{scale}"
        methods.write_method(folder, "sr3", made, {k: x.half() for k, x in tensors.items()}, recipe)


@pytest.fixture
def inputs(group, tmp_path):
    return written(group, tmp_path, 24)


def test_without_options_bitonicx_fuses(inputs, tmp_path, capsys):
    fused = [tmp_path / f"{i}.png" for i in range(2)]
    assert fuse(inputs, fused[0]) == 0
    assert "weights" not in capsys.readouterr().err
    assert fuse(inputs, fused[1], "--method", "bitonicx") == 0
    assert fused[0].read_bytes() == fused[1].read_bytes()


def test_sr3_enlarges_by_the_weights_of_the_package_as_they_say(inputs, tmp_path, capsys, package):
    fused = [tmp_path / f"{i}.png" for i in range(4)]
    sr3 = ("--scale", 2, "--enlarger", "sr3")
    assert fuse(inputs, fused[0], *sr3) == 0  # before BitonicX
    assert "weights: sr3-x2 of the package" in capsys.readouterr().err
    assert fuse(inputs, fused[1], *sr3, "--method", "bitonicx", "--evaluations", 2) == 0
    assert fuse(inputs, fused[2], *sr3, "--evaluations", 3) == 0
    given = tmp_path / "weights/sr3-x2"
    capsys.readouterr()
    assert fuse(inputs, fused[3], *sr3, "--enlarger-weights", given) == 0
    assert "of the package" not in capsys.readouterr().err
    pictures = [path.read_bytes() for path in fused]
    assert pictures[0] == pictures[1] == pictures[3] != pictures[2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--scale 2", "tfsdiff_guided is learned, and no weights of it are in the package; give"),
        ("--method cddfuse", "cddfuse is learned, and no weights of it are in the package; give"),
        ("--scale 3 --enlarger sr3", "--scale: 3, but the weights of sr3 in the package are for 2, "
         "4; choose one of these, or give the folder that `train` or `import-weights` wrote: "
         "--enlarger-weights DIR"),
    ],
)  # fmt: skip
def test_what_the_package_lacks_is_said_in_one_line(
    inputs, tmp_path, capsys, package, options, message
):
    assert fuse(inputs, tmp_path / "fused.png", *options.split()) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
