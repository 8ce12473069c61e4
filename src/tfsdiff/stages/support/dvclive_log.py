"""The log of a training in DVCLive's files, as `dvc exp show` and `dvc plots` read them.

The same parameters give the same bytes, so the speed of a training goes to a separate file, which
is no stage's output.
"""

import json
from pathlib import Path
from typing import Self

from torch import Tensor

from tfsdiff.common.errors import InputError
from tfsdiff.common.files import replacing
from tfsdiff.data.images import to_8bit


class LiveLog:
    """A `tfsdiff.training.log.Log` that keeps numbers and pictures in `folder`.

    Attributes:
        folder: of metrics.json (last values), plots/metrics (a table a value) and plots/images (the
            grid of validation samples). What it held before is deleted.
        speeds: JSON file for the images per second; not tracked.
    """

    def __init__(self, folder: Path, speeds: Path) -> None:
        # Imported here, as it takes a second that other stages should not wait for.
        from dvclive import Live
        from scmrepo.exceptions import SCMError

        try:
            self._live = Live(
                dir=str(folder),
                report=None,
                save_dvc_exp=False,  # DVC runs the stage, not the stage DVC
                dvcyaml=None,
                monitor_system=False,
            )
        except SCMError as error:
            raise InputError(
                f"DVCLive cannot use this git repository ({error}); make a first commit, for "
                "example by `git commit --allow-empty -m Start`"
            ) from None
        self._speeds = speeds

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._live.end()

    def size(self, parameters: int) -> None:
        """Note the number of values that were learned."""
        self._live.log_metric("parameters", parameters)
        self._live.make_summary()

    def values(self, step: int, values: dict[str, float]) -> None:
        """Note `values` after training step `step`."""
        self._live.step = step
        for name, value in values.items():
            part, _, rest = name.partition("_")
            grouped = f"{part}/{rest}" if part in ("train", "validation") else name
            self._live.log_metric(grouped, float(f"{value:.6g}"))
        self._live.make_summary()

    def samples(self, images: Tensor) -> None:
        """Take the grid of validation samples, in place of the last one."""
        self._live.log_image("samples.png", to_8bit(images))

    def speed(self, step: int, images_per_second: float) -> None:
        """Note how fast the steps up to `step` were."""
        with replacing(self._speeds) as temporary:
            text = json.dumps({"step": step, "images_per_second": round(images_per_second, 3)})
            temporary.write_text(text + "\n", encoding="utf-8")
