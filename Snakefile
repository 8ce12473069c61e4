"""One rule for each stage of dvc.yaml, which defines them; only the targets are defined here."""

import sys
from pathlib import Path

from snakemake.utils import min_version

min_version("9.6")
sys.path.insert(0, str(Path(workflow.basedir) / "workflow"))

from pipeline import Pipeline

pipeline = Pipeline(Path(workflow.basedir))


rule all:
    input:
        [path for stage in pipeline for path in stage.all_outputs()],


rule ablations:
    input:
        [path for path in pipeline["table"].all_outputs() if "table2" in path],


for stage in pipeline:

    rule:
        name:
            stage.name
        input:
            pipeline.inputs(stage.name),
        output:
            [path if Path(path).suffix else directory(path) for path in stage.outputs],
        log:
            stage.log,
        wildcard_constraints:
            **stage.constraints(),
        priority: pipeline.waiting(stage)
        threads: pipeline.threads(stage)
        resources:
            gpu=pipeline.gpus(stage),
        params:
            tracked=stage.tracked,
            command=stage.command,
        shell:
            "{params.command} > {log} 2>&1"
