rule prepare:
    """Import or simulate the survey, into one internal file."""
    input:
        files=prepare_inputs,
    output:
        survey="results/{project}/survey.h5",
    log:
        "results/{project}/logs/prepare.log",
    conda:
        "../../environment.yml"
    threads: project_cores
    params:
        settings=prepare_settings,
    shell:
        "pvi prepare {wildcards.project} >> {log} 2>&1"


rule check:
    """Refuse what cannot work, before a run costs anything."""
    input:
        survey="results/{project}/survey.h5",
    output:
        findings="results/{project}/{run}/check.txt",
    log:
        "results/{project}/logs/check.{run}.log",
    conda:
        "../../environment.yml"
    params:
        settings=run_settings,
    shell:
        "pvi check --project {wildcards.project} --run {wildcards.run}"
        " > {output.findings} 2>> {log}"
