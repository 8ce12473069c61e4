"""Enlarged and fused test images."""


rule enlarge:
    input:
        pipeline.inputs("enlarge"),
    output:
        directory(pipeline["enlarge"].outputs),
    log:
        "results/logs/enlarge-{enlarger}-{scale}.log",
    threads: pipeline.threads
    resources:
        gpu=1 if pipeline.device == "cuda" else 0,
    params:
        tracked=pipeline["enlarge"].tracked,
        command=pipeline["enlarge"].command,
    shell:
        "{params.command} > {log} 2>&1"


rule fuse:
    input:
        pipeline.inputs("fuse"),
    output:
        directory(pipeline["fuse"].outputs),
    log:
        "results/logs/fuse-{fuser}-{enlarger}-{scale}.log",
    threads: pipeline.threads
    resources:
        gpu=1 if pipeline.device == "cuda" else 0,
    params:
        tracked=pipeline["fuse"].tracked,
        command=pipeline["fuse"].command,
    shell:
        "{params.command} > {log} 2>&1"


rule fuse_full:
    input:
        pipeline.inputs("fuse_full"),
    output:
        directory(pipeline["fuse_full"].outputs),
    log:
        "results/logs/fuse_full-{fuser}.log",
    threads: pipeline.threads
    resources:
        gpu=1 if pipeline.device == "cuda" else 0,
    params:
        tracked=pipeline["fuse_full"].tracked,
        command=pipeline["fuse_full"].command,
    shell:
        "{params.command} > {log} 2>&1"


rule sample:
    input:
        pipeline.inputs("sample"),
    output:
        directory(pipeline["sample"].outputs),
    log:
        "results/logs/sample-{network}-{scale}.log",
    threads: pipeline.threads
    resources:
        gpu=1 if pipeline.device == "cuda" else 0,
    params:
        tracked=pipeline["sample"].tracked,
        command=pipeline["sample"].command,
    shell:
        "{params.command} > {log} 2>&1"


rule sample_ablation:
    input:
        pipeline.inputs("sample_ablation"),
    output:
        directory(pipeline["sample_ablation"].outputs),
    log:
        "results/logs/sample_ablation-{network}-{scale}.log",
    threads: pipeline.threads
    resources:
        gpu=1 if pipeline.device == "cuda" else 0,
    params:
        tracked=pipeline["sample_ablation"].tracked,
        command=pipeline["sample_ablation"].command,
    shell:
        "{params.command} > {log} 2>&1"
