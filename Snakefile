# 3D Bayesian full-waveform inversion, from a survey to error bars.
#
#   snakemake --workflow-profile cluster_profiles/local --configfile config/demo.yaml


include: "workflow/rules/common.smk"
include: "workflow/rules/prepare.smk"
include: "workflow/rules/invert.smk"
include: "workflow/rules/posterior.smk"
include: "workflow/rules/report.smk"


wildcard_constraints:
    project=PROJECT.name,
    run="|".join(RUNS),
    segment=r"\d+",


# The report of every run and of how they compare.
rule all:
    default_target: True
    input:
        f"results/{PROJECT.name}/report/index.html",


onstart:
    write_configuration()
