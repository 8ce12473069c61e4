"""The project itself as test object."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Self

ROOT = Path(__file__).resolve().parents[2]
COMMITTED = (
    "dvc.yaml", "Snakefile", ".dvcignore", ".gitignore", "Makefile", "params.yaml",
    "mkdocs.yml", "pyproject.toml", "README.md", "data/README.md", "results/README.md", "docs",
    "src", "tests", "workflow",
)  # fmt: skip
AUTHOR = {"GIT_AUTHOR_NAME": "test", "GIT_AUTHOR_EMAIL": "test@localhost"}
COMMITTER = {"GIT_COMMITTER_NAME": "test", "GIT_COMMITTER_EMAIL": "test@localhost"}


class Project:
    """A copy of the project in which the tools may run: a git and DVC repository of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        binaries = Path(sys.executable).parent
        self.environment = os.environ | AUTHOR | COMMITTER | {
            "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(folder / "src"),
            "DVC_NO_ANALYTICS": "1",
            "NO_PROXY": "127.0.0.1",
        }  # fmt: skip

    @classmethod
    def new(cls, folder: Path) -> Self:
        """What is committed, in one commit; nothing made."""
        project = cls(folder)
        for name in COMMITTED:
            source = ROOT / name
            (folder / name).parent.mkdir(exist_ok=True)
            if source.is_dir():
                ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
                shutil.copytree(source, folder / name, symlinks=True, ignore=ignored)
            else:
                shutil.copy(source, folder / name)
        project.run("git", "init", "--quiet", "--initial-branch", "main")
        project.run("git", "commit", "--quiet", "--allow-empty", "--message", "Start")
        project.run("dvc", "init", "--quiet")
        for name in (".dvcignore", ".dvc/config"):
            shutil.copy(ROOT / name, folder / name)
        project.commit("The project")
        return project

    def copy(self, folder: Path) -> Self:
        """The same in `folder`, with all that was made and DVC's cache."""
        shutil.copytree(self.folder, folder, symlinks=True, dirs_exist_ok=True)
        return type(self)(folder)

    def commit(self, message: str) -> None:
        self.run("git", "add", "--all")
        self.run("git", "commit", "--quiet", "--message", message)

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
