"""Commands of the workflow's rules: each reads files, does one step, writes files."""

import logging
import sys
from pathlib import Path

from pvi_hpc.checks.run import check_report, check_run, refuse, render
from pvi_hpc.config import load_project
from pvi_hpc.data.survey_file import read_survey, write_survey
from pvi_hpc.errors import ConfigError, StopRequestedError
from pvi_hpc.run.interrupt import EXIT_STOPPED, StopFlag, job_end
from pvi_hpc.run.plan import refuse_changed_runs, survey_settings
from pvi_hpc.run.project import find_project
from pvi_hpc.run.status import change_state
from pvi_hpc.store.atomic import write_text
from pvi_hpc.store.layout import ProjectPaths

__all__ = [
    "check_config",
    "prepare_project",
    "run_segment",
    "write_posterior_files",
    "write_predictive_files",
    "write_report",
    "write_run_answers",
    "write_run_hypotheses",
]


def check_config(config: str | None, name: str | None, only: str | None) -> None:
    """Print the findings of every run; a fault of any run is an error."""
    if (config is None) == (name is None):
        raise ConfigError("Give a configuration file, or --project and the name of a project.")
    project = load_project(config) if config is not None else find_project(str(name))
    refuse_changed_runs(project)
    survey = read_survey(ProjectPaths.of(project.name).survey) if name is not None else None
    runs = project.resolved if only is None else (project.run(only),)
    results = {f"Run '{run.name}'": check_run(run, survey) for run in runs}
    if shown := check_report(project, survey):
        results["The report"] = shown
    for part, findings in results.items():
        print(part)
        for line in render(findings):
            print(f"  {line}")
    for part, findings in results.items():
        refuse(findings, part)


def prepare_project(name: str) -> None:
    """Write the internal survey file of a project."""
    from pvi_hpc.problem.forward import forward_problem
    from pvi_hpc.run.workers import simulate_survey

    _log_to_stdout()
    project = find_project(name)
    run, paths = project.shared_run, ProjectPaths.of(name)
    # A synthetic survey is simulated: what cannot work is refused first.
    refuse(check_run(run), "The survey")
    survey = forward_problem(run).prepare(
        lambda geometry, model: simulate_survey(run, geometry, model, paths.folder)
    )
    for each in project.resolved:
        findings = list(forward_problem(each).measure(survey))
        print("\n".join(render(findings)))
        refuse(findings, f"Run '{each.name}'")
    write_text(paths.survey_claim, survey_settings(project))
    write_survey(survey, paths.survey)
    print(f"{len(survey.shots)} shots, {survey.n_traces} traces, {survey.n_samples} samples")


def run_segment(name: str, run_name: str, until: int, manifest: Path) -> int:
    """Advance a run; return the exit code."""
    from pvi_hpc.run.segment import advance_run, write_manifest

    _log_to_stdout()
    project = find_project(name)
    paths = ProjectPaths.of(name)
    with StopFlag(paths.stop, job_end()) as stop:
        progress = advance_run(
            project.run(run_name), paths.survey, paths.run(run_name), until, stop
        )
    if not progress.reached(until):
        print(f"Stopped by {stop.received} at iteration {progress.state.iteration}.")
        return EXIT_STOPPED
    write_manifest(manifest, project.run(run_name), progress)
    return 0


def write_posterior_files(name: str, run_name: str) -> None:
    """Write samples, posterior and VTKHDF of a run."""
    from pvi_hpc.problem.problem import Problem
    from pvi_hpc.run.draw_posterior import write_posterior_files as write
    from pvi_hpc.run.segment import load_fitted

    _log_to_stdout()
    project, paths = find_project(name), ProjectPaths.of(name)
    run = project.run(run_name)
    problem = Problem.build(run, paths.survey)
    fitted = load_fitted(problem, paths.survey, paths.run(run_name))
    write(problem, fitted, paths.run(run_name))


def write_predictive_files(name: str, run_name: str) -> int:
    """Write simulated data of posterior draws, the final ELBO and the summary of a run.

    Return the exit code.
    """
    from pvi_hpc.run.conclude import conclude_run

    _log_to_stdout()
    project, paths = find_project(name), ProjectPaths.of(name)
    run, files = project.run(run_name), paths.run(run_name)
    with StopFlag(paths.stop, job_end()) as stop:
        try:
            conclude_run(run, paths.survey, files, project.report.shot, stop)
        except StopRequestedError:
            message = f"predictive check stopped by {stop.received}; its simulations are kept"
            print(message)
            change_state(files.status, "stopped", message)
            return EXIT_STOPPED
    change_state(files.status, "finished", of="stopped")
    return 0


def write_run_answers(name: str, run_name: str) -> int:
    """Write the answers of a run to the questions of the configuration.

    Return the exit code: a linear response may be stopped.
    """
    from pvi_hpc.run.answers.ask import write_answers
    from pvi_hpc.run.results import ProjectResults

    _log_to_stdout()
    project, paths = find_project(name), ProjectPaths.of(name)
    results = ProjectResults(project, paths)[run_name]
    with StopFlag(paths.stop, job_end()) as stop:
        try:
            write_answers(results, project.questions, stop)
        except StopRequestedError:
            message = f"linear response stopped by {stop.received}; its simulations are kept"
            print(message)
            change_state(results.paths.status, "stopped", message)
            return EXIT_STOPPED
    if any(question.linear_response is not None for question in project.questions):
        change_state(results.paths.status, "finished", of="stopped")
    return 0


def write_run_hypotheses(name: str, run_name: str) -> None:
    """Write the posterior of a run under each hypothesis of the configuration."""
    from pvi_hpc.run.answers.hypotheses import replace_priors, write_hypotheses

    _log_to_stdout()
    project, paths = find_project(name), ProjectPaths.of(name)
    files, wanted = paths.run(run_name), (project.hypotheses, project.questions)
    found = replace_priors(project.run(run_name), paths.survey, files, *wanted)
    write_hypotheses(found, files.hypotheses)


def write_report(name: str) -> None:
    """Write the HTML report and its figures."""
    from pvi_hpc.run.report import write_project_report

    _log_to_stdout()
    project = find_project(name)
    write_project_report(project, ProjectPaths.of(name))


def _log_to_stdout() -> None:
    logging.basicConfig(
        stream=sys.stdout,
        level=logging.INFO,
        format="%(asctime)s %(levelname).1s %(message)s",
        datefmt="%H:%M:%S",
    )
    logging.getLogger("distributed").setLevel(logging.WARNING)
