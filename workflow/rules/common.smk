"""What the rules ask of the configuration."""

import signal

from snakemake.exceptions import WorkflowError

from pvi_hpc.config import parse_project
from pvi_hpc.config.yaml_file import read_tree
from pvi_hpc.errors import PviError
from pvi_hpc.execution.executor import executor_class
from pvi_hpc.run.interrupt import answer_apart
from pvi_hpc.run.owner import begin_workflow
from pvi_hpc.run.plan import (
    refuse_changed_runs,
    segment_end,
    survey_inputs,
    survey_settings,
    write_project,
)
from pvi_hpc.store.layout import ProjectPaths

if not config:
    raise WorkflowError("No configuration: add --configfile config/<name>.yaml")
# The site's file comes with the profile; its keys win over those of `execution`.
SITE = config.get("site")
try:
    # Snakemake has lost the first of two equal keys; here they are refused.
    for path in workflow.configfiles:
        read_tree(path, "'grid' and 'prior'")
    PROJECT = parse_project({k: v for k, v in config.items() if k != "site"}, site=SITE)
    refuse_changed_runs(PROJECT)
except PviError as error:
    raise WorkflowError(str(error)) from None

RUNS = [run.name for run in PROJECT.resolved]
# Runs that questions are put to: all of them, if there are questions.
ASKED = RUNS if PROJECT.questions else []
# Whether an answer has a linear response, which is simulated.
RESPONDS = any(question.linear_response is not None for question in PROJECT.questions)
# Runs whose prior is replaced: all of them, if there are hypotheses.
REPLACED = RUNS if PROJECT.hypotheses else []
# Runs whose posterior is learnt too: all of them, if the configuration says so.
LEARNT = RUNS if PROJECT.amortised is not None else []
FINGERPRINTS = {run.name: run.fingerprint() for run in PROJECT.resolved}
LAST_SEGMENT = PROJECT.segments - 1
# What a run leaves behind in its folder. Samples may be removed to save space: they are large.
RESULTS = [
    f"segments/{LAST_SEGMENT}.json",
    "posterior.h5",
    "predictive.h5",
    "summary.json",
]


def write_configuration():
    """Keep the configuration as it is run, and who runs it, beside the results."""
    paths = ProjectPaths.of(PROJECT.name)
    begin_workflow(paths)
    write_project(PROJECT, paths.config)


def prepare_settings(wildcards):
    """Settings that change the survey file."""
    return survey_settings(PROJECT)


def prepare_inputs(wildcards):
    """Files that the survey file is made from."""
    return survey_inputs(PROJECT)


def run_settings(wildcards):
    """Settings that change a run's result, as a short hash."""
    return FINGERPRINTS[wildcards.run]


def posterior_settings(wildcards):
    """Settings of what is drawn from a fitted distribution."""
    return PROJECT.run(wildcards.run).posterior.model_dump_json()


def question_settings(wildcards):
    """Questions to every run."""
    return [question.told() for question in PROJECT.questions]


def response_survey(wildcards):
    """The survey, where answers are simulated too: by their linear response."""
    return [f"results/{wildcards.project}/survey.h5"] if RESPONDS else []


def answer_cores(wildcards):
    """Cores of the job that answers questions; workers share it where it simulates."""
    return run_cores(wildcards) if RESPONDS else 1


def hypothesis_settings(wildcards):
    """Hypotheses of every run, what is asked of them, and their samples."""
    told = [each.model_dump_json() for each in PROJECT.hypotheses]
    return [*told, *question_settings(wildcards), posterior_settings(wildcards)]


def bank_settings(wildcards):
    """Draws of the prior that are simulated, and the settings that they depend on."""
    amortised = PROJECT.amortised
    return [amortised.draws, amortised.draws_per_chunk, *prior_draw_settings(wildcards)]


def prior_draw_settings(wildcards):
    """Settings that change a draw of the prior or its data."""
    tree = PROJECT.run(wildcards.run).lasting_settings()
    changing = ("seed", "grid", "prior", "forward", "solver", "start")
    return [f"{name}: {tree[name]}" for name in changing if name in tree]


def network_settings(wildcards):
    """Settings of what is learnt from the draws of the prior."""
    none = PROJECT.amortised.rounds is None
    # Without rounds they are told as they were before there were any.
    return PROJECT.amortised.model_dump_json(exclude={"rounds"} if none else None)


def learn_cores(wildcards):
    """Cores of the job that trains; workers share it where they simulate rounds."""
    return run_cores(wildcards) if PROJECT.amortised.rounds is not None else 1


def report_settings(wildcards):
    """Settings of the report."""
    return PROJECT.report.model_dump_json()


def run_cores(wildcards):
    """Cores of the job that a run's controller runs in."""
    return controller_cores(PROJECT.run(wildcards.run).execution)


def project_cores(wildcards):
    """Cores of the job that simulates a synthetic survey."""
    return controller_cores(PROJECT.execution)


def controller_cores(execution):
    """Cores of a controller and of those workers that share its job."""
    if executor_class(execution).submits_jobs:
        # The workers have jobs of their own; one core more for Dask's scheduler.
        return execution.controller_threads + 1
    return execution.workers * execution.ranks * execution.threads


def previous_segment(wildcards):
    """What a segment continues: the check of its run, or the segment before it."""
    folder = f"results/{wildcards.project}/{wildcards.run}"
    index = int(wildcards.segment)
    return f"{folder}/segments/{index - 1}.json" if index else f"{folder}/check.txt"


def last_iteration(wildcards):
    """Iteration that a segment ends at."""
    return segment_end(PROJECT, PROJECT.run(wildcards.run), int(wildcards.segment))
