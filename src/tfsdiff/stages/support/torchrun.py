"""Starting a stage in several processes, by torchrun, without a word of it in dvc.yaml."""

import os
import sys

from tfsdiff.training.parallel import launched


def relaunch(processes: int) -> None:
    """Replace this process by `torchrun` with so many processes of the same command line.

    Nothing happens for one process, nor within a process of `torchrun`, whoever started it.
    """
    if processes == 1 or "TORCHELASTIC_RUN_ID" in os.environ or launched() > 1:
        return
    torchrun = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    module = sys.modules["__main__"].__spec__.name
    arguments = [sys.executable, *torchrun, "-m", module, *sys.argv[1:]]
    sys.stderr.flush()
    os.execv(sys.executable, arguments)
