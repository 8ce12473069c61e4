"""Table of contents: targets here, rules in workflow/rules, everything about stages in dvc.yaml."""

import sys
from pathlib import Path

from snakemake.utils import min_version

min_version("9.6")
sys.path.insert(0, str(Path(workflow.basedir) / "workflow"))

from stages import Pipeline

pipeline = Pipeline(Path(workflow.basedir))


wildcard_constraints:
    **pipeline.constraints(),


rule all:
    input:
        pipeline["table1"].all_outputs(),
        pipeline["table2"].all_outputs(),
        pipeline["figure2"].all_outputs(),
        pipeline["quality"].all_outputs(),
        pipeline["uncertainty"].all_outputs(),
        pipeline["curves"].all_outputs(),
        pipeline["variants"].all_outputs(),
        pipeline["cost"].all_outputs(),
        pipeline["leakage"].all_outputs(),


rule ablations:
    input:
        pipeline["table2"].all_outputs(),


include: "workflow/rules/data.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/fuse.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/report.smk"
