"""Scores of every cell."""


rule evaluate_cascade:
    input:
        pipeline.inputs("evaluate_cascade"),
    output:
        pipeline["evaluate_cascade"].outputs,
    log:
        "results/logs/evaluate_cascade-{fuser}-{enlarger}-{scale}.log",
    threads: pipeline.threads
    params:
        tracked=pipeline["evaluate_cascade"].tracked,
        command=pipeline["evaluate_cascade"].command,
    shell:
        "{params.command} > {log} 2>&1"


rule evaluate_full:
    input:
        pipeline.inputs("evaluate_full"),
    output:
        pipeline["evaluate_full"].outputs,
    log:
        "results/logs/evaluate_full-{fuser}.log",
    threads: pipeline.threads
    params:
        tracked=pipeline["evaluate_full"].tracked,
        command=pipeline["evaluate_full"].command,
    shell:
        "{params.command} > {log} 2>&1"


rule evaluate_joint:
    input:
        pipeline.inputs("evaluate_joint"),
    output:
        pipeline["evaluate_joint"].outputs,
    log:
        "results/logs/evaluate_joint-{network}-{scale}.log",
    threads: pipeline.threads
    params:
        tracked=pipeline["evaluate_joint"].tracked,
        command=pipeline["evaluate_joint"].command,
    shell:
        "{params.command} > {log} 2>&1"


rule evaluate_ablation:
    input:
        pipeline.inputs("evaluate_ablation"),
    output:
        pipeline["evaluate_ablation"].outputs,
    log:
        "results/logs/evaluate_ablation-{network}-{scale}.log",
    threads: pipeline.threads
    params:
        tracked=pipeline["evaluate_ablation"].tracked,
        command=pipeline["evaluate_ablation"].command,
    shell:
        "{params.command} > {log} 2>&1"
