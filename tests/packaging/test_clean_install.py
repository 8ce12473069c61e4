"""The core, built as a wheel and installed by itself, fuses and scores outside the repository."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tfsdiff
from tfsdiff.compose import compose, dump
from tfsdiff.methods import shipped

ROOT = Path(__file__).resolve().parents[2]
UNREACHABLE = ("error sending request", "Failed to fetch", "dns error", "client error (Connect)")
# What torch needs of CUDA: with torch and torchvision gigabytes, which the tests' environment has.
CUDA = ("cuda-", "nvidia-", "triton")

INSTALLED = {one.name.lower().replace("_", "-") for one in metadata.distributions()}

pytestmark = pytest.mark.slow


class Installed:
    """An environment with the core alone, and a folder outside the repository."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            name: value
            for name, value in os.environ.items()
            if name not in ("PYTHONPATH", "VIRTUAL_ENV")
        }
        self._uv("venv", "--python", sys.executable, folder / "env")
        self.bin = folder / "env/bin"
        for name in _torch_and_what_it_runs_on():
            self._link(name)
        source = folder / "source"
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(ROOT / "src", source / "src", ignore=ignored)
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(ROOT / name, source)
        self._uv("build", "--wheel", "--out-dir", folder / "dist", source)
        (wheel,) = (folder / "dist").glob("*.whl")
        constraints = ROOT / "requirements/constraints.txt"
        self._uv("pip", "install", "--python", self.bin / "python", "-c", constraints, wheel)
        # Nothing is downloaded from here on: the weights of LPIPS would be.
        self.environment |= {"HTTPS_PROXY": "http://127.0.0.1:9", "TORCH_HOME": str(folder)}

    def _uv(self, *arguments: object) -> None:
        command = [Path(sys.executable).with_name("uv"), *arguments]
        done = subprocess.run(
            [str(part) for part in command], cwd=self.folder, env=self.environment,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode and any(words in done.stderr for words in UNREACHABLE):
            pytest.skip(f"no package index can be reached: {done.stderr.splitlines()[-1]}")
        assert done.returncode == 0, done.stderr

    def _link(self, name: str) -> None:
        """Bring a package of this environment into the new one, by hard links where they can be."""
        (target,) = (self.folder / "env/lib").glob("python*/site-packages")
        files = metadata.distribution(name).files
        for file in (file for file in files if file.parts[0] != ".."):
            place = Path(file.locate())
            _link_or_copy(place, target / file)
            if file.suffix == ".py":
                compiled = Path(importlib.util.cache_from_source(place))
                _link_or_copy(compiled, target / file.parent / "__pycache__" / compiled.name)

    def run(self, *command: object, code: int = 0) -> str:
        done = subprocess.run(
            [str(self.bin / str(command[0])), *map(str, command[1:])], cwd=self.folder,
            env=self.environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr


def _torch_and_what_it_runs_on() -> set[str]:
    found, queue = set(), ["torch", "torchvision"]
    while queue:
        name = queue.pop()
        found.add(name)
        names = {re.match(r"[\w-]+", line)[0] for line in metadata.requires(name) or ()}
        queue += [one for one in names - found if one.startswith(CUDA) and one in INSTALLED]
    return found


def _link_or_copy(source: Path, target: Path) -> None:
    if target.exists() or not source.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:  # on another file system
        shutil.copy2(source, target)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return Installed(tmp_path_factory.mktemp("clean"))


@pytest.fixture(scope="module")
def fused(installed: Installed) -> Path:
    """Three images, fused."""
    random = np.random.default_rng(3)
    for name, shape in {"a": (48, 48), "b": (48, 48), "f": (48, 48, 3)}.items():
        pixels = random.integers(0, 256, shape, dtype=np.uint8)
        Image.fromarray(pixels).save(installed.folder / f"{name}.png")
    installed.run(
        "tfsdiff", "fuse", "--method", "bitonicx", "--anatomical", "a.png", "b.png",
        "--functional", "f.png", "--out", "fused.png",
    )  # fmt: skip
    return installed.folder / "fused.png"


def test_it_fuses(fused):
    with Image.open(fused) as image:
        assert (image.size, image.mode) == ((48, 48), "RGB")


def test_it_fuses_small_images_by_the_weights_in_the_package(fused, installed):
    """By every one of the joint method; where it has none, it says so."""
    scales = shipped.scales(shipped.JOINT)
    for scale in scales or [2]:
        output = installed.run(
            "tfsdiff", "fuse", "--scale", scale, "--anatomical", "a.png", "b.png",
            "--functional", "f.png", "--out", "large.png", code=0 if scales else 1,
        )  # fmt: skip
        if scales:
            assert f"weights: {shipped.title(shipped.JOINT, scale)} of the package" in output
            with Image.open(installed.folder / "large.png") as image:
                assert image.size == (48 * scale, 48 * scale)
    code = "from tfsdiff.methods import shipped; print(*(x.name for x in shipped.all_folders()))"
    names = [folder.name for folder in shipped.all_folders()]
    assert installed.run("python", "-c", code).split() == names


def test_it_scores_and_checks(fused, installed):
    command = ["tfsdiff", "score", fused, "--sources", "a.png", "b.png", "f.png", "--json"]
    found = json.loads(installed.run(*command, "--check"))
    assert found["metrics"]["PSNR"]["sources"] > 0
    assert {one["metric"] for one in found["check"]["compared"]} == {"MSE", "PSNR", "SSIM"}


def test_it_holds_nothing_of_the_extras(installed):
    code = "import importlib.metadata as m; print(*(d.name.lower() for d in m.distributions()))"
    names = set(installed.run("python", "-c", code).split())
    assert {"tfsdiff", "lpips", "scikit-image"} <= names
    assert not names & {
        "dvc", "dvclive", "snakemake", "hydra-core", "pandas", "matplotlib", "nilearn", "nibabel",
        "httpx", "tenacity", "mkdocs", "pytest", "ruff", "piq",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("command", "extra"),
    [
        ("tfsdiff atlas status", "atlas"),
        ("python -m tfsdiff.compose profile=ci", "pipeline"),
        ("python -m tfsdiff.stages.evaluate", "pipeline"),
    ],
)
def test_it_names_the_extra_that_a_command_needs(command, extra, installed):
    shutil.copytree(ROOT / "workflow/conf", installed.folder / "workflow/conf", dirs_exist_ok=True)
    values = compose(["data=atlas"], ROOT / "workflow/conf")
    (installed.folder / "params.yaml").write_text(dump(values))
    output = installed.run(*command.split(), code=1)
    assert output.startswith("error: ")
    assert output.endswith(f" is not installed; run pip install 'tfsdiff[{extra}]'\n")
    assert output.count("\n") == 1


def test_it_prints_its_version_and_has_types(installed):
    version = f"{tfsdiff.__version__}\n"
    assert installed.run("tfsdiff", "--version") == version
    assert installed.run("python", "-m", "tfsdiff.compose", "--version") == version
    code = (
        "import importlib.resources as r; print(r.files('tfsdiff').joinpath('py.typed').is_file())"
    )
    assert installed.run("python", "-c", code) == "True\n"
