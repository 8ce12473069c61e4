"""The stages of the pipeline: `python -m tfsdiff.stages.NAME`, one module each."""

import sys

from tfsdiff.common.errors import report_missing_extra

sys.excepthook = report_missing_extra  # modules import their packages before `cli.run` can catch
