# 3D Bayesian full-waveform inversion, from a survey to error bars.
#
#   snakemake --workflow-profile cluster_profiles/local --configfile config/demo.yaml


include: "workflow/rules/common.smk"
include: "workflow/rules/prepare.smk"
include: "workflow/rules/invert.smk"
include: "workflow/rules/posterior.smk"
include: "workflow/rules/amortised.smk"
include: "workflow/rules/report.smk"


wildcard_constraints:
    project=PROJECT.name,
    run="|".join(RUNS),
    segment=r"\d+",


# The report of every run and of how they compare. Results are asked for by name: what is
# only on the way to a report that is there, Snakemake does not make again.
rule all:
    default_target: True
    input:
        f"results/{PROJECT.name}/report/index.html",
        expand(f"results/{PROJECT.name}/{{run}}/{{file}}", run=RUNS, file=RESULTS),


onstart:
    # Snakemake's own answer takes a lock that the thread it interrupts may hold.
    answer_apart(signal.SIGTERM)
    write_configuration()
