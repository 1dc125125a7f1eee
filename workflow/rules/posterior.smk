rule posterior:
    """Samples, mean, sd and quantiles of the fitted distribution."""
    input:
        survey="results/{project}/survey.h5",
        last=f"results/{{project}}/{{run}}/segments/{LAST_SEGMENT}.json",
    output:
        posterior="results/{project}/{run}/posterior.h5",
        samples="results/{project}/{run}/samples.nc",
        vtk="results/{project}/{run}/posterior.vtkhdf",
    log:
        "results/{project}/logs/posterior.{run}.log",
    conda:
        "../../environment.yml"
    params:
        settings=posterior_settings,
    shell:
        "pvi posterior {wildcards.project} {wildcards.run} >> {log} 2>&1"


rule predictive:
    """Data simulated from posterior draws, compared with the observed ones."""
    input:
        survey="results/{project}/survey.h5",
        posterior="results/{project}/{run}/posterior.h5",
    output:
        predictive="results/{project}/{run}/predictive.h5",
        summary="results/{project}/{run}/summary.json",
    log:
        "results/{project}/logs/predictive.{run}.log",
    conda:
        "../../environment.yml"
    threads: run_cores
    params:
        settings=posterior_settings,
        shown=report_settings,
    shell:
        "pvi predictive {wildcards.project} {wildcards.run} >> {log} 2>&1"


rule answers:
    """Answers to the questions of the configuration, from the draws of a run."""
    input:
        survey=response_survey,
        posterior="results/{project}/{run}/posterior.h5",
        samples="results/{project}/{run}/samples.nc",
    output:
        answers="results/{project}/{run}/answers.json",
    log:
        "results/{project}/logs/answers.{run}.log",
    conda:
        "../../environment.yml"
    threads: answer_cores
    params:
        questions=question_settings,
    shell:
        "pvi answers {wildcards.project} {wildcards.run} >> {log} 2>&1"


rule hypotheses:
    """The posterior of a run under other priors, without simulations, and their evidence.

    Its posteriors lie beside it, in a folder of each hypothesis.
    """
    input:
        survey="results/{project}/survey.h5",
        last=f"results/{{project}}/{{run}}/segments/{LAST_SEGMENT}.json",
    output:
        hypotheses="results/{project}/{run}/hypotheses.json",
    log:
        "results/{project}/logs/hypotheses.{run}.log",
    conda:
        "../../environment.yml"
    params:
        hypotheses=hypothesis_settings,
    shell:
        "pvi hypotheses {wildcards.project} {wildcards.run} >> {log} 2>&1"
