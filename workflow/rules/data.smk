"""Slices, split, ground truth, low resolution."""


rule acquire:
    input:
        pipeline.inputs("acquire"),
    output:
        directory(pipeline["acquire"].outputs),
    params:
        tracked=pipeline["acquire"].tracked,
        command=pipeline["acquire"].command,
    log:
        "results/logs/acquire.log",
    threads: pipeline.threads
    shell:
        "{params.command} > {log} 2>&1"


rule split:
    input:
        pipeline.inputs("split"),
    output:
        pipeline["split"].outputs,
    params:
        tracked=pipeline["split"].tracked,
        command=pipeline["split"].command,
    log:
        "results/logs/split.log",
    threads: pipeline.threads
    shell:
        "{params.command} > {log} 2>&1"


rule prepare:
    input:
        pipeline.inputs("prepare"),
    output:
        directory(pipeline["prepare"].outputs),
    params:
        tracked=pipeline["prepare"].tracked,
        command=pipeline["prepare"].command,
    log:
        "results/logs/prepare.log",
    threads: pipeline.threads
    shell:
        "{params.command} > {log} 2>&1"


rule truth:
    input:
        pipeline.inputs("truth"),
    output:
        directory(pipeline["truth"].outputs),
    params:
        tracked=pipeline["truth"].tracked,
        command=pipeline["truth"].command,
    log:
        "results/logs/truth.log",
    threads: pipeline.threads
    shell:
        "{params.command} > {log} 2>&1"


rule degrade:
    input:
        pipeline.inputs("degrade"),
    output:
        directory(pipeline["degrade"].outputs),
    params:
        tracked=pipeline["degrade"].tracked,
        command=pipeline["degrade"].command,
    log:
        "results/logs/degrade-{scale}.log",
    threads: pipeline.threads
    shell:
        "{params.command} > {log} 2>&1"
