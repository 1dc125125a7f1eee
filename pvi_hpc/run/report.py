"""The report of all runs of a project, from files of one state each."""

from pvi_hpc.config import Project
from pvi_hpc.problem.problem import Problem
from pvi_hpc.report.pages import write_site
from pvi_hpc.report.view import RunView, load_view
from pvi_hpc.run.segment import load_fitted
from pvi_hpc.store.layout import ProjectPaths, RunPaths
from pvi_hpc.store.samples import sample_attributes
from pvi_hpc.store.state_id import StateId

__all__ = ["write_project_report"]


def write_project_report(project: Project, paths: ProjectPaths) -> None:
    """Write the pages and figures of all runs.

    Raises
    ------
    CheckpointError, ResultFileError
        If a run is not done, or a file is of another state than its newest checkpoint.
    """
    views = []
    for run in project.resolved:
        files = paths.run(run.name)
        fitted = load_fitted(Problem.build(run, paths.survey), paths.survey, files)
        history = fitted.progress.history.arrays
        view = load_view(files.folder, paths.survey, project, run, history=history)
        _refuse_other_states(view, fitted.id, files)
        views.append(view)
    write_site(views, paths.report)


def _refuse_other_states(view: RunView, state: StateId, files: RunPaths) -> None:
    state.refuse_other(files.posterior, view.summary.attributes)
    state.refuse_other(files.summary, view.facts.get("state", {}))
    if view.predictive is not None:
        state.refuse_other(files.predictive, view.predictive.attributes)
    if view.answers:
        state.refuse_other(files.answers, view.answers_state)
    if view.hypotheses:
        state.refuse_other(files.hypotheses, view.hypotheses.get("state", {}))
    if files.samples.exists():
        state.refuse_other(files.samples, sample_attributes(files.samples))
