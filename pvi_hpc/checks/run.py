"""Check of a run before anything runs: its faults, its resources and its cost.

Nothing is written. Every fault is one finding that names the setting, its value, the
bound and the remedy; all of them are found at once.
"""

from collections.abc import Iterator, Sequence

from pvi_hpc.checks.likelihood import check_likelihood, check_near_traces
from pvi_hpc.checks.parts import check_executor, check_family, check_model_map
from pvi_hpc.checks.prior import check_prior, check_start, check_true_model
from pvi_hpc.checks.report import (
    check_hypotheses,
    check_questions,
    check_shot,
    check_wells,
)
from pvi_hpc.checks.resources import check_disk, check_shots, check_workers, cost_of
from pvi_hpc.checks.survey import check_data, check_positions
from pvi_hpc.config.project import Project, Run
from pvi_hpc.data.survey import Survey
from pvi_hpc.errors import ConfigError, Finding, PviError, error, ok
from pvi_hpc.forward.problem import ForwardProblem, NoiseGradients
from pvi_hpc.problem.forward import forward_problem, survey_geometry

__all__ = ["Finding", "check_report", "check_run", "refuse", "render"]


def check_run(run: Run, survey: Survey | None = None) -> list[Finding]:
    """Check one run.

    Parameters
    ----------
    run
        The run, all settings resolved.
    survey
        Its prepared survey, or None to read (or lay out) what its settings name.
    """
    findings = [*check_prior(run), *check_start(run)]
    if not any(finding.level == "error" for finding in findings):
        findings += check_model_map(run)  # else it would say the same again
    for part in (check_family, check_executor, check_true_model):
        findings += part(run)
    try:
        problem = forward_problem(run)
    except PviError as fault:
        return [*findings, error("forward", str(fault))]
    try:
        survey = survey or problem.geometry()
    except PviError as fault:
        where = "forward" if run.survey is None else "survey"
        return [*findings, error(where, str(fault))]
    if problem.has_data:
        findings += check_data(run, survey)
        if not survey.n_traces:
            return findings
    if problem.has_positions:
        findings += check_positions(run, survey)
        findings += check_near_traces(run, survey)
    findings += check_likelihood(run, survey, problem)
    findings += check_noise_gradients(run, problem)
    of_problem = list(problem.check(survey))
    findings += of_problem
    if any(f.level == "error" and f.setting == "grid.shape" for f in of_problem):
        return findings  # what it would cost has no meaning
    return [*findings, *_fits(run, survey, problem)]


def check_report(project: Project, survey: Survey | None = None) -> list[Finding]:
    """Check what a project's report is to show.

    Parameters
    ----------
    project
        The project.
    survey
        Its prepared survey, or None to read (or lay out) what its settings name.
    """
    findings = [*check_wells(project), *check_questions(project), *check_hypotheses(project)]
    if project.report.shot is None:
        return findings
    try:
        survey = survey or survey_geometry(project.shared_run)
    except PviError:
        return findings  # `check_run` reports it
    return [*findings, *check_shot(project, survey)]


def check_noise_gradients(run: Run, problem: ForwardProblem) -> Iterator[Finding]:
    """Check that a start from gradients of noise can have them."""
    has = isinstance(problem, NoiseGradients) and problem.has_noise_gradients
    if has or not run.inference.use_data:
        return
    asked, hessian = {}, run.start.hessian
    if run.start.preconditioner is not None:
        asked["start.preconditioner"] = "null", "one"
    if hessian is not None and hessian.kind == "noise":
        asked["start.hessian.kind"] = "'differences'", "'noise'"
    for setting, (wanted, got) in asked.items():
        yield error(
            setting,
            f"must be {wanted} where a simulation cannot pull any change of its data back to "
            f"the model, as with these settings of 'forward.kind: {run.forward.kind}', got "
            f"{got}; or return data and their gradient.",
        )


def render(findings: Sequence[Finding]) -> list[str]:
    """Return one plain line a finding, faults last, where they are seen."""
    order = {"ok": 0, "warning": 1, "error": 2}
    ordered = sorted(findings, key=lambda finding: order[finding.level])
    return [f"{f.level.upper():8}{f.setting}: {f.message}" for f in ordered]


def refuse(findings: Sequence[Finding], name: str) -> None:
    """Raise what was found wrong.

    Raises
    ------
    ConfigError
        With one line for each finding that is an error; `name` says what it is about.
    """
    faults = [f"  '{f.setting}': {f.message}" for f in findings if f.level == "error"]
    if faults:
        raise ConfigError("\n".join([f"{name} cannot work:", *faults]))


def _fits(run: Run, survey: Survey, problem: ForwardProblem) -> Iterator[Finding]:
    """Check that the run fits into memory, disk and cores, and tell what it costs."""
    yield from check_shots(run, survey)
    yield from check_disk(run, survey)
    try:
        of_one = problem.cost(survey)
    except ConfigError as fault:
        yield error("forward", str(fault))
        return
    except PviError as fault:
        yield error("execution.ranks", str(fault))
        return
    yield from check_workers(run, of_one)
    try:
        cost = cost_of(run, survey, of_one)
    except ConfigError:
        return  # `check_family` says why
    noise = f", noise sent back {cost.sent_back} more times" if cost.sent_back else ""
    yield ok(
        "cost",
        f"{cost.simulations} simulations{noise} and {cost.predictions} without a gradient, "
        f"about {cost.core_seconds / 3600:.2g} core-hours and {cost.wall_seconds / 60:.2g} "
        f"minutes ({of_one.basis}).",
    )
