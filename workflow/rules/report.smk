"""Tables, figures, and what is drawn for them alone."""


rule table1:
    input:
        pipeline.inputs("table1"),
    output:
        pipeline["table1"].outputs,
    log:
        "results/logs/table1.log",
    threads: pipeline.threads
    params:
        tracked=pipeline["table1"].tracked,
        command=pipeline["table1"].command,
    shell:
        "{params.command} > {log} 2>&1"


rule table2:
    input:
        pipeline.inputs("table2"),
    output:
        pipeline["table2"].outputs,
    log:
        "results/logs/table2.log",
    threads: pipeline.threads
    params:
        tracked=pipeline["table2"].tracked,
        command=pipeline["table2"].command,
    shell:
        "{params.command} > {log} 2>&1"


rule figure2:
    input:
        pipeline.inputs("figure2"),
    output:
        pipeline["figure2"].outputs,
    log:
        "results/logs/figure2-{scale}.log",
    threads: pipeline.threads
    params:
        tracked=pipeline["figure2"].tracked,
        command=pipeline["figure2"].command,
    shell:
        "{params.command} > {log} 2>&1"


rule quality:
    input:
        pipeline.inputs("quality"),
    output:
        pipeline["quality"].outputs,
    log:
        "results/logs/quality-{network}-{scale}.log",
    threads: pipeline.threads
    resources:
        gpu=1 if pipeline.device == "cuda" else 0,
    params:
        tracked=pipeline["quality"].tracked,
        command=pipeline["quality"].command,
    shell:
        "{params.command} > {log} 2>&1"


rule uncertainty:
    input:
        pipeline.inputs("uncertainty"),
    output:
        directory(pipeline["uncertainty"].outputs[0]),
        pipeline["uncertainty"].outputs[1:],
    log:
        "results/logs/uncertainty-{network}-{scale}.log",
    threads: pipeline.threads
    resources:
        gpu=1 if pipeline.device == "cuda" else 0,
    params:
        tracked=pipeline["uncertainty"].tracked,
        command=pipeline["uncertainty"].command,
    shell:
        "{params.command} > {log} 2>&1"


rule curves:
    input:
        pipeline.inputs("curves"),
    output:
        pipeline["curves"].outputs,
    log:
        "results/logs/curves.log",
    threads: pipeline.threads
    params:
        tracked=pipeline["curves"].tracked,
        command=pipeline["curves"].command,
    shell:
        "{params.command} > {log} 2>&1"


rule variants:
    input:
        pipeline.inputs("variants"),
    output:
        pipeline["variants"].outputs,
    log:
        "results/logs/variants.log",
    threads: pipeline.threads
    resources:
        gpu=1 if pipeline.device == "cuda" else 0,
    params:
        tracked=pipeline["variants"].tracked,
        command=pipeline["variants"].command,
    shell:
        "{params.command} > {log} 2>&1"


rule cost:
    input:
        pipeline.inputs("cost"),
    output:
        pipeline["cost"].outputs,
    log:
        "results/logs/cost.log",
    # Nothing beside it, where it can be had: seconds are measured.
    threads: workflow.cores
    resources:
        gpu=1 if pipeline.device == "cuda" else 0,
    params:
        tracked=pipeline["cost"].tracked,
        command=pipeline["cost"].command,
    shell:
        "{params.command} > {log} 2>&1"


rule leakage:
    input:
        pipeline.inputs("leakage"),
    output:
        pipeline["leakage"].outputs,
    log:
        "results/logs/leakage.log",
    threads: pipeline.threads
    params:
        tracked=pipeline["leakage"].tracked,
        command=pipeline["leakage"].command,
    shell:
        "{params.command} > {log} 2>&1"
