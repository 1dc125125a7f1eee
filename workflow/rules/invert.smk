rule segment:
    """Advance the variational distribution of a run by one segment of iterations.

    Its checkpoints are no output: Snakemake would delete them when the job fails.
    """
    input:
        survey="results/{project}/survey.h5",
        previous=previous_segment,
    output:
        manifest="results/{project}/{run}/segments/{segment}.json",
    log:
        "results/{project}/logs/segment.{run}.{segment}.log",
    benchmark:
        "results/{project}/benchmarks/segment.{run}.{segment}.tsv"
    conda:
        "../../environment.yml"
    threads: run_cores
    params:
        settings=run_settings,
        until=last_iteration,
    shell:
        "pvi segment {wildcards.project} {wildcards.run} --until {params.until}"
        " --manifest {output.manifest} >> {log} 2>&1"
