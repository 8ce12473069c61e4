"""The project itself as test object."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COMMITTED = (
    "dvc.yaml", "Snakefile", ".dvcignore", ".gitignore", "src", "workflow", "data/README.md",
    "results/README.md",
)  # fmt: skip


@pytest.fixture(scope="session")
def root() -> Path:
    """Root of the repository."""
    return ROOT


class Project:
    """A copy of the project in which the tools may run: a git and DVC repository of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        binaries = Path(sys.executable).parent
        self.environment = os.environ | {
            "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(folder / "src"),
            "DVC_NO_ANALYTICS": "1",
            "NO_PROXY": "127.0.0.1",
        }
        for name in COMMITTED:
            source = ROOT / name
            (folder / name).parent.mkdir(exist_ok=True)
            if source.is_dir():
                ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
                shutil.copytree(source, folder / name, symlinks=True, ignore=ignored)
            else:
                shutil.copy(source, folder / name)
        self.run("git", "init", "--quiet")
        author = ("-c", "user.name=test", "-c", "user.email=test@localhost")
        self.run("git", *author, "commit", "--quiet", "--allow-empty", "--message", "Start")
        self.run("dvc", "init", "--quiet")
        shutil.copy(ROOT / ".dvcignore", folder / ".dvcignore")

    def run(self, *command: str, code: int = 0) -> str:
        done = subprocess.run(
            [str(part) for part in command], cwd=self.folder, env=self.environment,
            capture_output=True, text=True, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        output = done.stdout + done.stderr
        assert done.returncode == code, output[-5000:]
        return output

    def python(self, *arguments: str, code: int = 0) -> str:
        return self.run(sys.executable, "-m", *arguments, code=code)


@pytest.fixture(scope="session")
def new_project(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Project]:
    """Make a fresh copy of the project."""
    return lambda: Project(tmp_path_factory.mktemp("project"))
