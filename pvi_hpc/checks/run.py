"""What is wrong with a run, whether it fits and what it costs, before anything runs.

Nothing is written. Every fault is one finding that names the setting, its value, the
bound and the remedy; all of them are found at once.
"""

from collections.abc import Iterator, Sequence

from pvi_hpc.checks.parts import check_executor, check_family, check_model_map
from pvi_hpc.checks.physics import check_grid, check_sampling, check_time_step, check_wavelet
from pvi_hpc.checks.prior import check_prior, check_start, check_true_model
from pvi_hpc.checks.report import check_shot, check_wells
from pvi_hpc.checks.resources import (
    ASSUMED_THROUGHPUT,
    check_disk,
    check_shots,
    check_workers,
    cost_of,
)
from pvi_hpc.checks.survey import check_data, check_positions
from pvi_hpc.config.project import Project, Run
from pvi_hpc.data.prepare import survey_geometry
from pvi_hpc.data.survey import Survey
from pvi_hpc.errors import ConfigError, PviError
from pvi_hpc.findings import Finding, error, ok

__all__ = ["Finding", "check_report", "check_run", "refuse", "render"]


def check_run(
    run: Run, survey: Survey | None = None, *, throughput: float | None = None
) -> list[Finding]:
    """Check one run.

    Parameters
    ----------
    run
        The run, all settings resolved.
    survey
        Its prepared survey, or None to read (or lay out) what its settings name.
    throughput
        Measured cells that one core advances per second; None: an assumed value.
    """
    findings = [*check_prior(run), *check_start(run)]
    if not any(finding.level == "error" for finding in findings):
        findings += check_model_map(run)  # else it would say the same again
    for part in (check_family, check_executor, check_true_model):
        findings += part(run)
    try:
        survey = survey or survey_geometry(run)
    except PviError as fault:
        return [*findings, error("survey", str(fault))]
    findings += check_data(run, survey)
    if not survey.n_traces or survey.n_samples < 2:
        return findings
    for check in (check_positions, check_time_step, check_sampling, check_wavelet):
        findings += check(run, survey)
    if unfit := list(check_grid(run)):
        return [*findings, *unfit]  # what it would cost has no meaning
    for check in (check_shots, check_workers, check_disk):
        findings += check(run, survey)
    return [*findings, *_cost(run, survey, throughput)]


def check_report(project: Project, survey: Survey | None = None) -> list[Finding]:
    """Check what a project's report is to show.

    Parameters
    ----------
    project
        The project.
    survey
        Its prepared survey, or None to read (or lay out) what its settings name.
    """
    findings = [*check_wells(project)]
    if project.report.shot is None:
        return findings
    try:
        survey = survey or survey_geometry(project.shared_run)
    except PviError:
        return findings  # `check_run` reports it
    return [*findings, *check_shot(project, survey)]


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


def _cost(run: Run, survey: Survey, throughput: float | None) -> Iterator[Finding]:
    cost = cost_of(run, survey, throughput or ASSUMED_THROUGHPUT)
    origin = "measured" if throughput else "assumed"
    yield ok(
        "cost",
        f"{cost.simulations} simulations and {cost.predictions} without a gradient, about "
        f"{cost.core_seconds / 3600:.2g} core-hours and {cost.wall_seconds / 60:.2g} minutes "
        f"({origin} {throughput or ASSUMED_THROUGHPUT:.2g} cells per core and second).",
    )
