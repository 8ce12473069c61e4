"""Run the pipeline by `dvc repro`; in a fresh clone Snakemake first computes it on all cores.

DVC runs one stage after another. In a fresh clone Snakemake therefore makes everything first, on
all cores; `dvc commit` records it, and `dvc repro` checks it. Snakemake compares the times of
files, DVC their contents. The outputs are therefore recorded only if Snakemake made all of them,
starting from none, while no code and no parameter changed. An interrupted run is continued under
the same conditions. Everywhere else, and on GPUs, DVC alone decides what to run.
"""

import fcntl
import hashlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline import Pipeline

ROOT = Path(__file__).resolve().parents[1]
STARTED = Path(".snakemake/repro.json")  # sources of a run that is not recorded yet
LOCK = Path(".snakemake/repro.lock")
CACHE = Path(".dvc/cache/files")
LOGS = Path("results/logs")
INTERRUPTED = 130  # exit code, as of a shell
SNAKEMAKE = (
    "snakemake", "all", "--cores", "all", "--nolock", "--rerun-incomplete",
    "--quiet", "rules", "host",
)  # fmt: skip


class Project:
    """A folder with a pipeline: its sources, and the outputs that exist already."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._pipeline = Pipeline(root)

    def reason_for_dvc_alone(self) -> str | None:
        """Why Snakemake must not make anything, or None where it may."""
        if self._pipeline.device != "cpu":
            return "jobs on a GPU; workflow/profiles has Snakemake's ways to run several at once"
        if (self._root / CACHE).exists():
            return "it knows of earlier runs"
        if (self._root / STARTED).is_file():
            if self._started() == self.sources():
                return None
            return "code or parameters differ from those of the interrupted run"
        outputs = (path for stage in self._pipeline for path in stage.all_outputs())
        if any((self._root / path).exists() for path in outputs):
            return "there are outputs"
        return None

    def sources(self) -> str:
        """Digest of the contents of all that the pipeline starts from."""
        digest = hashlib.sha256()
        for path in self._sources():
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            digest.update(f"{path.relative_to(self._root)}\0{content}\n".encode())
        return digest.hexdigest()

    def newest(self) -> int:
        """Time of the latest change to these files, in nanoseconds since the epoch."""
        return max(path.stat().st_mtime_ns for path in self._sources())

    def _sources(self) -> list[Path]:
        made = {path for stage in self._pipeline for path in stage.all_outputs()}
        read = {
            path
            for stage in self._pipeline
            for cell in stage.cells()
            for path in self._pipeline.inputs(stage.name)(cell)
        }
        paths = (self._root / path for path in {"dvc.yaml", "params.yaml", *(read - made)})
        # The lock of the atlas is written while its files come.
        return sorted(path for path in paths if path.is_file() and path.name != "lock.csv")

    def _started(self) -> str:
        try:
            return json.loads((self._root / STARTED).read_text(encoding="utf-8"))["sources"]
        except (ValueError, KeyError, TypeError):
            return "unreadable"

    def start(self) -> str:
        """Record the sources that a run starts from; returns their digest."""
        sources = self.sources()
        temporary = (self._root / STARTED).with_suffix(".partial")
        temporary.write_text(json.dumps({"sources": sources}), encoding="utf-8")
        temporary.replace(self._root / STARTED)
        return sources

    def forget(self) -> None:
        """Remove the record, so that no run is continued."""
        (self._root / STARTED).unlink(missing_ok=True)


def repro(root: Path) -> int:
    """Run the pipeline in `root`; returns the exit code."""
    with _alone(root) as lock:
        project = Project(root)
        reason = project.reason_for_dvc_alone()
        if reason is None:
            code = _make(root, project, lock)
            if code:
                return code
        else:
            project.forget()
            _say(f"dvc repro decides alone ({reason})")
    return _run(root, "dvc", "repro")


def _make(root: Path, project: Project, lock: int) -> int:
    """Let Snakemake make everything and DVC record it; returns the exit code."""
    began, sources = time.time_ns(), project.start()
    _say("snakemake makes everything on all cores; dvc then records and checks it")
    code = _run(root, *SNAKEMAKE, lock=lock)
    if code:
        for line in _errors(root, began):
            _say(line)
        _say("not finished: logs are in results/logs, and `make repro` goes on from here")
        return code
    after = Project(root)
    if after.sources() != sources or after.newest() > began:
        project.forget()
        _say("code or parameters changed meanwhile, so nothing is recorded: dvc repro decides")
        return 0
    # Interrupted, it would leave outputs of which DVC has recorded only some.
    code = _run(root, "dvc", "commit", "--force", "--quiet", shielded=True)
    project.forget()
    return code


def _errors(root: Path, since: int) -> Iterator[str]:
    """Last lines of the logs of failed jobs."""
    for path in sorted((root / LOGS).glob("*.log")):
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        if lines and path.stat().st_mtime_ns > since and "error" in lines[-1].lower():
            yield f"{path.relative_to(root)}: {lines[-1]}"


def _run(root: Path, *command: str, lock: int | None = None, shielded: bool = False) -> int:
    """Run a command; returns its exit code.

    Args:
        root: where it runs.
        command: gets the signals of the terminal itself and a SIGTERM from here; is waited for.
        lock: file that it keeps open, should this process die before it.
        shielded: it does not get the signals.
    """
    kept = () if lock is None else (lock,)
    process = subprocess.Popen(command, cwd=root, pass_fds=kept, start_new_session=shielded)
    signal.signal(signal.SIGTERM, lambda *_: None if shielded else process.terminate())
    interrupted = False
    while True:
        try:
            code = process.wait()
        except KeyboardInterrupt:
            interrupted = not shielded
        else:
            return INTERRUPTED if interrupted else code if code >= 0 else 128 - code


@contextmanager
def _alone(root: Path) -> Iterator[int]:
    """Hold a lock, so that two runs of this program in one folder do not mix; gives its file.

    Raises:
        SystemExit: another one holds it.
    """
    (root / LOCK).parent.mkdir(exist_ok=True)
    with (root / LOCK).open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit("error: another `make repro` runs in this folder; wait for it, or end it")
        yield stream.fileno()


def _say(text: str) -> None:
    print(f"repro: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(repro(ROOT))
