"""Slices, split, ground truth, low resolution."""


rule acquire:
    input:
        pipeline.inputs("acquire"),
    output:
        directory(pipeline["acquire"].outputs),
    log:
        "results/logs/acquire.log",
    threads: pipeline.threads
    params:
        tracked=pipeline["acquire"].tracked,
        command=pipeline["acquire"].command,
    shell:
        "{params.command} > {log} 2>&1"


rule split:
    input:
        pipeline.inputs("split"),
    output:
        pipeline["split"].outputs,
    log:
        "results/logs/split-{rule}.log",
    threads: pipeline.threads
    params:
        tracked=pipeline["split"].tracked,
        command=pipeline["split"].command,
    shell:
        "{params.command} > {log} 2>&1"


rule prepare:
    input:
        pipeline.inputs("prepare"),
    output:
        directory(pipeline["prepare"].outputs),
    log:
        "results/logs/prepare.log",
    threads: pipeline.threads
    params:
        tracked=pipeline["prepare"].tracked,
        command=pipeline["prepare"].command,
    shell:
        "{params.command} > {log} 2>&1"


rule truth:
    input:
        pipeline.inputs("truth"),
    output:
        directory(pipeline["truth"].outputs),
    log:
        "results/logs/truth.log",
    threads: pipeline.threads
    params:
        tracked=pipeline["truth"].tracked,
        command=pipeline["truth"].command,
    shell:
        "{params.command} > {log} 2>&1"


rule degrade:
    input:
        pipeline.inputs("degrade"),
    output:
        directory(pipeline["degrade"].outputs),
    log:
        "results/logs/degrade-{scale}.log",
    threads: pipeline.threads
    params:
        tracked=pipeline["degrade"].tracked,
        command=pipeline["degrade"].command,
    shell:
        "{params.command} > {log} 2>&1"


rule pairs:
    input:
        pipeline.inputs("pairs"),
    output:
        directory(pipeline["pairs"].outputs),
    log:
        "results/logs/pairs.log",
    threads: pipeline.threads
    params:
        tracked=pipeline["pairs"].tracked,
        command=pipeline["pairs"].command,
    shell:
        "{params.command} > {log} 2>&1"
