"""The curve of a training as CSV: a row a logged step, a column a value."""

import csv
from pathlib import Path
from typing import Self

from tfsdiff.files import replacing


class Curve:
    """Collects the values of a training; writes them whole when the block ends without error."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rows: list[dict[str, float]] = []

    def __enter__(self) -> Self:
        return self

    def __call__(self, step: int, values: dict[str, float]) -> None:
        """Note `values` of training step `step`."""
        self._rows.append({"step": step} | values)

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        if error is None:
            self._write()

    def _write(self) -> None:
        columns = ["step", *sorted({key for row in self._rows for key in row} - {"step"})]
        with replacing(self._path) as temporary, temporary.open("w", newline="") as stream:
            writer = csv.DictWriter(stream, columns, lineterminator="\n")
            writer.writeheader()
            for row in self._rows:
                writer.writerow(
                    {key: f"{value:.6g}" for key, value in row.items()} | {"step": int(row["step"])}
                )
