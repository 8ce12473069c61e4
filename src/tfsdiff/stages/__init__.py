"""The stages of the pipeline: `python -m tfsdiff.stages.NAME`, one module each."""
