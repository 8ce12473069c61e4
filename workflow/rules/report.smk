"""Tables and figures."""


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
