"""The curves of a training as DVCLive stored them: values by step."""

from pathlib import Path

import pandas as pd

from tfsdiff.common.errors import InputError


def read_curve(folder: Path, name: str) -> pd.Series:
    """Read one curve of a training: values by step.

    Args:
        folder: of DVCLive.
        name: of the table, e.g. "validation/psnr".

    Raises:
        InputError: the training wrote no such table.
    """
    try:
        table = folder / "plots" / "metrics" / f"{name}.tsv"
        return pd.read_csv(table, sep="\t", index_col="step").iloc[:, 0]
    except (OSError, ValueError, IndexError) as error:
        raise InputError(f"{folder}: no curve of {name} in it ({error!r}); train again") from None
