"""Subcommands of amortised inference."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from pvi_hpc.cli.arguments import LOCAL, Config, Profile, RunOption
from pvi_hpc.config import Project, load_project
from pvi_hpc.config.amortised import AmortisedSettings
from pvi_hpc.errors import ConfigError
from pvi_hpc.store.layout import ProjectPaths

if TYPE_CHECKING:  # It loads torch.
    from pvi_hpc.inference.amortised.training import TrainingState
    from pvi_hpc.run.amortised.kept import Progress

__all__ = ["learn", "sample_prior"]

#: Number of lines that tell the progress of a bank.
LINES: Final = 20


def sample_prior(
    config: Config,
    run: RunOption = None,
    draws: Annotated[
        int | None, typer.Option(help="Number of draws; without: 'amortised.draws'.")
    ] = None,
    profile: Profile = LOCAL,
) -> None:
    """Draw models from the prior and simulate their data; goes on where it was interrupted."""
    from pvi_hpc.run.amortised.sample_prior import sample_prior as sample
    from pvi_hpc.run.interrupt import EXIT_STOPPED, StopFlag, job_end

    project, settings = _project(config, profile)
    if draws is not None:
        # What is held out, and rounds, matter only where a network is trained.
        own = {"draws": draws, "held_out": max(100, draws // 2), "rounds": None}
        tree = {**settings.model_dump(), **own}
        settings = AmortisedSettings.model_validate(tree)
    paths = ProjectPaths.of(project.name)
    _prepare(project, paths)
    with StopFlag(paths.stop, job_end()) as stop:
        for each in project.resolved if run is None else (project.run(run),):
            folder = paths.run(each.name).bank
            told = _Told(each.name)
            found = sample(each, paths.survey, folder, settings, stop, told)
            if found is None:
                typer.echo(f"Stopped by {stop.received}; finished chunks are in {folder}.")
                raise typer.Exit(EXIT_STOPPED)
            typer.echo(
                f"{each.name}: {found.draws} draws in {found.chunks} files, {found.failed} "
                f"without data; {found.made} files made in {found.seconds:.1f} s, controller "
                f"{found.controller_seconds:.1f} s of processor time."
            )


class _Told:
    """Prints about twenty lines of progress."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, done: int, chunks: int) -> None:
        if done * LINES // chunks > (done - 1) * LINES // chunks:
            typer.echo(f"{self.name}: {done} of {chunks} chunks")


def _project(config: str, profile: Path) -> tuple[Project, AmortisedSettings]:
    """Return the project of a file or of a name, and its section `amortised`.

    Raises
    ------
    ConfigError
        If there is none of them.
    """
    from pvi_hpc.cli.run.launch import find_profile
    from pvi_hpc.config.site import site_of
    from pvi_hpc.run.owner import begin_workflow, live_owner
    from pvi_hpc.run.plan import refuse_changed_runs, write_project
    from pvi_hpc.run.project import find_project

    path = Path(config)
    if path.suffix or path.is_file():
        project = load_project(path, site=site_of(find_profile(profile)))
        refuse_changed_runs(project)
        paths = ProjectPaths.of(project.name)
        if live_owner(paths.owner) is None:
            begin_workflow(paths)  # an old request to stop is forgotten
        write_project(project, paths.config)
    else:
        project = find_project(config)
    if project.amortised is None:
        raise ConfigError(
            f"'amortised' must be a section of '{config}' to learn a posterior, got none; add "
            "it, for example 'amortised: {draws: 20000, network: {kind: spline_flow}}'."
        )
    return project, project.amortised


def _prepare(project: Project, paths: ProjectPaths) -> None:
    """Write the survey file, unless there is one of the same settings."""
    from pvi_hpc.cli.steps import prepare_project
    from pvi_hpc.run.plan import survey_settings

    claim = paths.survey_claim
    same = claim.exists() and claim.read_text(encoding="utf-8") == survey_settings(project)
    if not (paths.survey.exists() and same):
        prepare_project(project.name)


def learn(config: Config, run: RunOption = None, profile: Profile = LOCAL) -> None:
    """Train a network on the draws of `pvi sample-prior`; says whether it is calibrated.

    With 'amortised.rounds' it narrows the prior round by round, and simulates anew in each.
    """
    from pvi_hpc.run.amortised.learn import learn_run
    from pvi_hpc.run.interrupt import EXIT_STOPPED, StopFlag, job_end

    project, settings = _project(config, profile)
    paths, progress = ProjectPaths.of(project.name), _progress()
    with StopFlag(paths.stop, job_end()) as stop:
        for each in project.resolved if run is None else (project.run(run),):
            files = paths.run(each.name)
            found = learn_run(each, paths.survey, files, settings, stop, progress)
            if found is None:
                typer.echo(f"Stopped by {stop.received}; checkpoints are in {files.network}.")
                raise typer.Exit(EXIT_STOPPED)
            typer.echo(f"{each.name}: {found.verdict.sentence}")
            for warning in found.facts["observed"].get("warnings", []):
                typer.echo(f"{each.name}: WARNING: {warning}")
            typer.echo(f"{each.name}: wrote {files.network}")


def _progress() -> "Progress":
    """Return what prints every fifth epoch, and all else."""
    from pvi_hpc.run.amortised.kept import Progress

    class Printed(Progress):
        def epoch(self, member: int, state: "TrainingState") -> None:
            if state.epoch % 5 == 0 or state.done:
                loss, held = state.history[-1]
                typer.echo(
                    f"network {member + 1}, epoch {state.epoch}: loss {loss:.3f} nats, "
                    f"validation {held:.3f}, best {state.best_loss:.3f}"
                )

        def say(self, sentence: str) -> None:
            typer.echo(sentence)

    return Printed()
