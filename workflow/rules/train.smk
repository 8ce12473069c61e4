"""Networks: one job a network and scale, on GPUs where the profile grants them."""


rule train:
    input:
        pipeline.inputs("train"),
    output:
        directory(pipeline["train"].outputs[0]),
        pipeline["train"].outputs[1],
        directory(pipeline["train"].outputs[2]),
    log:
        "results/logs/train-{network}-{scale}.log",
    threads: pipeline.threads * pipeline.processes
    resources:
        gpu=pipeline.processes if pipeline.device == "cuda" else 0,
    params:
        tracked=pipeline["train"].tracked,
        command=pipeline["train"].command,
    shell:
        "{params.command} > {log} 2>&1"


rule train_ablation:
    input:
        pipeline.inputs("train_ablation"),
    output:
        directory(pipeline["train_ablation"].outputs[0]),
        pipeline["train_ablation"].outputs[1],
        directory(pipeline["train_ablation"].outputs[2]),
    log:
        "results/logs/train_ablation-{network}-{scale}.log",
    threads: pipeline.threads * pipeline.processes
    resources:
        gpu=pipeline.processes if pipeline.device == "cuda" else 0,
    params:
        tracked=pipeline["train_ablation"].tracked,
        command=pipeline["train_ablation"].command,
    shell:
        "{params.command} > {log} 2>&1"


rule train_fuser:
    input:
        pipeline.inputs("train_fuser"),
    output:
        directory(pipeline["train_fuser"].outputs[0]),
        pipeline["train_fuser"].outputs[1],
        directory(pipeline["train_fuser"].outputs[2]),
    log:
        "results/logs/train_fuser-{fuser}.log",
    threads: pipeline.threads
    resources:
        gpu=1 if pipeline.device == "cuda" else 0,
    params:
        tracked=pipeline["train_fuser"].tracked,
        command=pipeline["train_fuser"].command,
    shell:
        "{params.command} > {log} 2>&1"
