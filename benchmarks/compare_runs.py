"""Compare two runs of the pipeline file by file: python benchmarks/compare_runs.py OLD NEW.

For a change that must not change results: run the pipeline before and after it, in two clones on
one machine, and compare `data` and `results`. PNG images are equal if their pixels are, weights if
their tensors are (bit by bit), other files if their bytes are. `--rename REGEX=REPLACEMENT` brings
a path of the old run to its place in the new one; `--skip REGEX` leaves old paths out.

Prints a line for each kind of file, and the paths that differ or are missing; exits with 1 if any.
"""

import argparse
import re
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
from PIL import Image
from safetensors.numpy import load_file


def equal(old: Path, new: Path) -> bool:
    """Whether two files hold the same content."""
    if old.read_bytes() == new.read_bytes():
        return True
    if old.suffix == ".png":
        images = [np.asarray(Image.open(path)) for path in (old, new)]
        return images[0].shape == images[1].shape and bool((images[0] == images[1]).all())
    if old.suffix == ".safetensors":
        tensors = [load_file(path) for path in (old, new)]
        same_names = tensors[0].keys() == tensors[1].keys()
        return same_names and all(
            x.shape == tensors[1][name].shape and x.tobytes() == tensors[1][name].tobytes()
            for name, x in tensors[0].items()
        )
    return False


def renamed(path: str, rules: list[str]) -> str:
    """The new place of the old `path`, by the first rule whose pattern matches all of it."""
    for rule in rules:
        pattern, _, replacement = rule.partition("=")
        if re.fullmatch(pattern, path):
            return re.sub(pattern, replacement, path)
    return path


def main() -> int:
    """Compare the runs that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("--rename", action="append", default=[], metavar="REGEX=REPLACEMENT")
    parser.add_argument("--skip", action="append", default=[], metavar="REGEX")
    given = parser.parse_args()
    outcome: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for top in ("data", "results"):
        for file in sorted((given.old / top).rglob("*")):
            path = file.relative_to(given.old).as_posix()
            if not file.is_file() or any(re.fullmatch(rule, path) for rule in given.skip):
                continue
            place = renamed(path, given.rename)
            other = given.new / place
            verdict = "missing"
            if other.is_file():
                verdict = "equal" if equal(file, other) else "different"
            outcome[file.suffix][verdict].append(place)
    for suffix, found in sorted(outcome.items()):
        print(suffix or "no suffix", {verdict: len(paths) for verdict, paths in found.items()})
    wrong = [
        f"{verdict}: {path}"
        for found in outcome.values()
        for verdict in ("missing", "different")
        for path in found.get(verdict, [])
    ]
    print(*wrong, sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
