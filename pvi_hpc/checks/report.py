"""Checks of what the report is asked to show."""

from collections.abc import Iterator

import numpy as np

from pvi_hpc.answers.questions.question import load_question
from pvi_hpc.config.load import run_under
from pvi_hpc.config.project import Project
from pvi_hpc.data.survey import Survey
from pvi_hpc.errors import Finding, PviError, error, ok
from pvi_hpc.plugins import load_plugin
from pvi_hpc.priors.load import load_prior
from pvi_hpc.problem.coordinates import load_coordinates
from pvi_hpc.problem.forward import refuse_without_products

__all__ = ["check_hypotheses", "check_questions", "check_shot", "check_wells"]


def check_shot(project: Project, survey: Survey) -> Iterator[Finding]:
    """Check that the survey has the shot whose traces are to be drawn."""
    shot, ids = project.report.shot, sorted(shot.id for shot in survey.shots)
    if shot is not None and ids and shot not in ids:
        yield error(
            "report.shot",
            f"must be the id of a shot, {ids[0]} to {ids[-1]} ({len(ids)} shots), got {shot}; "
            "null means the middle one.",
        )


def check_wells(project: Project) -> Iterator[Finding]:
    """Check that every well goes through the grid."""
    grid = project.grid.grid
    (_, y0, x0), (_, y1, x1) = grid.origin, grid.upper
    for i, (y, x) in enumerate(project.report.wells_y_x_m):
        if not grid.contains(np.array([grid.origin[0], y, x]))[0]:
            yield error(
                "report.wells_y_x_m",
                f"every well must be in the grid, y {y0:g} to {y1:g} and x {x0:g} to {x1:g} m, "
                f"got (y, x) = ({y:g}, {x:g}) m for well {i + 1}; move it or leave it out.",
            )


def check_questions(project: Project) -> Iterator[Finding]:
    """Check that every question can be asked of the models of every run."""
    told = set()
    for run in project.resolved:
        for question in project.questions:
            try:
                load_question(question, run.cells)
                if question.linear_response is not None and run.inference.use_data:
                    refuse_without_products(run)
            except PviError as fault:
                message = str(fault)
                if message not in told:
                    yield error("questions", message.removeprefix("'questions': "))
                told.add(message)
    yield from _tell_products(project)


def _tell_products(project: Project) -> Iterator[Finding]:
    """Tell what linear response will cost at most, which the cost of a run leaves out."""
    limits = [its.linear_response.products for its in project.questions if its.linear_response]
    if limits:
        yield ok(
            "questions",
            f"linear response of {len(limits)} answers takes at most {sum(limits)} products "
            "with the curvature, each a Born and an adjoint run of every shot, after the fit "
            "of each run and beside its cost.",
        )


def check_hypotheses(project: Project) -> Iterator[Finding]:
    """Check that every prior can be made for every run, and that runs fit a family."""
    for run in project.resolved if project.hypotheses else ():
        plugin = load_plugin("pvi_hpc.methods", run.inference.method.kind, "method.kind")
        if not hasattr(plugin, "fitted"):
            yield error(
                "hypotheses",
                f"need a run whose 'inference.method.kind' fits a family, such as 'vi', got "
                f"'{run.inference.method.kind}' in run '{run.name}'; remove one of them.",
            )
        for hypothesis in project.hypotheses:
            try:
                changed = run_under(run, hypothesis)
                load_coordinates(
                    load_prior(changed.prior, changed.cells), run.inference.coordinates
                )
            except PviError as fault:
                yield error(f"hypotheses.{hypothesis.name}.prior", str(fault))
