"""How many jobs an edit of a source file runs again: `python workflow/blast_radius.py FILE ...`.

Counted over the pipeline's jobs under params.yaml. *Inputs*: jobs that name the file, a folder
of it, or a link to it. *Downstream*: these and all after them, an upper bound, as DVC stops where a
job's outputs are unchanged. *Trainings*: those among the downstream ones.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

from pipeline import Pipeline

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "src/tfsdiff"
EXAMPLES = (
    "metrics/vif.py", "metrics/registry.py", "report/labels.py", "cli/fuse.py", "common/signals.py",
    "methods/cddfuse/network.py", "methods/mean/method.py", "methods/sr3/method.py",
    "methods/tfsdiff/method.py", "diffusion/samplers.py", "core/tensors.py", "core/seeding.py",
)  # fmt: skip


@dataclass(frozen=True)
class Job:
    """A stage with the values of its matrix.

    Attributes:
        stage: its name.
        name: as DVC writes it, `train@sr3-4`.
        inputs, outputs: paths; a folder stands for the files in it, a link for its target.
    """

    stage: str
    name: str
    inputs: frozenset[str]
    outputs: frozenset[str]


@dataclass(frozen=True)
class Blast:
    """Names of jobs: whose inputs change, and which may run again."""

    inputs: frozenset[str]
    downstream: frozenset[str]

    @property
    def trainings(self) -> frozenset[str]:
        """Trainings that may run again."""
        return frozenset(name for name in self.downstream if name.startswith("train"))


class Jobs:
    """All jobs of the pipeline in `root`."""

    def __init__(self, root: Path) -> None:
        pipeline = Pipeline(root)

        def ends(path: str) -> str:
            link = root / path
            return link.resolve().relative_to(root).as_posix() if link.is_symlink() else path

        self.all = [
            Job(
                stage.name,
                "@".join([stage.name, *filter(None, ["-".join(cell.values())])]),
                frozenset(ends(path) for path in pipeline.inputs(stage.name)(cell)),
                frozenset(path.format(**cell) for path in stage.outputs),
            )
            for stage in pipeline
            for cell in stage.cells()
        ]

    def blast(self, file: str) -> Blast:
        """What an edit of `file`, a path from the root, runs again."""
        hit = {job for job in self.all if file in job.inputs}
        inputs = frozenset(job.name for job in hit)
        while True:
            dirty = frozenset(path for job in hit for path in job.outputs)
            more = {job for job in self.all if job not in hit and job.inputs & dirty}
            if not more:
                return Blast(inputs, frozenset(job.name for job in hit))
            hit |= more


def main(arguments: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python workflow/blast_radius.py", description=__doc__)
    parser.add_argument("files", nargs="*", help="paths from the root of the project")
    files = parser.parse_args(arguments).files or [f"{PACKAGE}/{name}" for name in EXAMPLES]
    missing = [file for file in files if not (ROOT / file).is_file()]
    if missing:
        print(f"error: {missing[0]} does not exist in {ROOT}", file=sys.stderr)
        return 1
    jobs = Jobs(ROOT)
    trainings = sum(job.stage.startswith("train") for job in jobs.all)
    print(f"{len(jobs.all)} jobs, {trainings} of them trainings\n")
    print("| edit of | inputs | downstream | trainings |\n| --- | ---: | ---: | ---: |")
    for file in files:
        found = jobs.blast(file)
        counts = (len(found.inputs), len(found.downstream), len(found.trainings))
        print(f"| `{file}` | {' | '.join(map(str, counts))} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
