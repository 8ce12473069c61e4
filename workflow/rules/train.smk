"""Networks: one job a network and scale, on a GPU where the profile grants one."""


rule train:
    input:
        pipeline.inputs("train"),
    output:
        directory(pipeline["train"].outputs[0]),
        pipeline["train"].outputs[1],
    log:
        "results/logs/train-{network}-{scale}.log",
    threads: pipeline.threads
    resources:
        gpu=1 if pipeline.device == "cuda" else 0,
    params:
        tracked=pipeline["train"].tracked,
        command=pipeline["train"].command,
    shell:
        "{params.command} > {log} 2>&1"
