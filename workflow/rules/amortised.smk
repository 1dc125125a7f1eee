rule sample_prior:
    """Models drawn from the prior of a run, and their data.

    Its chunks are no output: Snakemake would delete them when the job fails.
    """
    input:
        survey="results/{project}/survey.h5",
        findings="results/{project}/{run}/check.txt",
    output:
        bank="results/{project}/{run}/bank/bank.json",
    log:
        "results/{project}/logs/sample_prior.{run}.log",
    conda:
        "../../environment.yml"
    threads: run_cores
    params:
        settings=bank_settings,
    shell:
        "pvi sample-prior {wildcards.project} --run {wildcards.run} >> {log} 2>&1"


rule learn:
    """Networks that learn the posterior of a run from its draws, and their verdict.

    Where they learn in rounds, workers simulate the draws of each.
    """
    input:
        survey="results/{project}/survey.h5",
        bank="results/{project}/{run}/bank/bank.json",
    output:
        learnt="results/{project}/{run}/network/learn.json",
        network="results/{project}/{run}/network/network.h5",
    log:
        "results/{project}/logs/learn.{run}.log",
    conda:
        "../../environment.yml"
    threads: learn_cores
    params:
        settings=network_settings,
    shell:
        "pvi learn {wildcards.project} --run {wildcards.run} >> {log} 2>&1"
