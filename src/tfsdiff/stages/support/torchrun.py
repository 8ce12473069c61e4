"""Starting a stage in several processes by torchrun, so that dvc.yaml need not mention it."""

import os
import sys

from tfsdiff.training.parallel import launched


def relaunch(processes: int) -> None:
    """Replace this process by `torchrun` with `processes` processes of the same command line.

    Does nothing for one process, or within a process that `torchrun` started.
    """
    if processes == 1 or "TORCHELASTIC_RUN_ID" in os.environ or launched() > 1:
        return
    torchrun = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    module = sys.modules["__main__"].__spec__.name
    arguments = [sys.executable, *torchrun, "-m", module, *sys.argv[1:]]
    sys.stderr.flush()
    os.execv(sys.executable, arguments)
