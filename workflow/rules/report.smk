rule report:
    """Figures and tables of every run, and a page that compares them."""
    input:
        survey="results/{project}/survey.h5",
        posterior=expand("results/{{project}}/{run}/posterior.h5", run=RUNS),
        predictive=expand("results/{{project}}/{run}/predictive.h5", run=RUNS),
        summary=expand("results/{{project}}/{run}/summary.json", run=RUNS),
        answers=expand("results/{{project}}/{run}/answers.json", run=ASKED),
        hypotheses=expand("results/{{project}}/{run}/hypotheses.json", run=REPLACED),
        learnt=expand("results/{{project}}/{run}/network/learn.json", run=LEARNT),
    output:
        index="results/{project}/report/index.html",
        figures=report(
            directory("results/{project}/report/figures"),
            patterns=["{run}/{figure}.png"],
            category="{run}",
        ),
    log:
        "results/{project}/logs/report.log",
    conda:
        "../../environment.yml"
    params:
        settings=report_settings,
    shell:
        "pvi report {wildcards.project} >> {log} 2>&1"
