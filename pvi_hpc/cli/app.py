"""All subcommands; heavy imports happen inside them, so that `pvi --help` is quick."""

from pathlib import Path
from typing import Annotated

import typer

from pvi_hpc import __version__
from pvi_hpc.cli.after import ask, correct, export, replace_prior
from pvi_hpc.cli.amortised import learn, sample_prior
from pvi_hpc.cli.arguments import LOCAL, Config, Profile, ProjectName, RunName
from pvi_hpc.cli.geopvi import import_geopvi
from pvi_hpc.cli.plot import app as plot
from pvi_hpc.cli.serve import serve
from pvi_hpc.cli.solver import app as solver
from pvi_hpc.errors import ConfigError

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="3D Bayesian full-waveform inversion: velocity models with error bars.",
)

app.add_typer(plot, name="plot")
app.add_typer(solver, name="solver")
for command in (ask, correct, replace_prior, export, sample_prior, learn, serve, import_geopvi):
    app.command()(command)

Extra = Annotated[
    list[str] | None, typer.Argument(help="Options after `--` are handed on to snakemake.")
]


@app.callback(invoke_without_command=True)
def version(
    show: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Take the options that belong to no subcommand."""
    if show:
        typer.echo(__version__)
        raise typer.Exit


@app.command()
def init(
    path: Annotated[Path | None, typer.Argument(help="Configuration to write.")] = None,
    profile: Annotated[
        str | None,
        typer.Option(help="Profile to copy here: local, slurm, sge or allocation."),
    ] = None,
) -> None:
    """Write a commented configuration to start from, or the profile of a cluster to adapt."""
    from pvi_hpc.cli.template import copy_profile, write_template

    if path is None and profile is None:
        raise ConfigError("Give a file to write, such as mine.yaml, or --profile and its name.")
    if path is not None:
        write_template(path)
        typer.echo(f"Wrote {path}. Edit it, then: pvi check {path} && pvi run {path}")
    if profile is not None:
        folder = copy_profile(profile)
        typer.echo(f"Wrote {folder}. Edit its files, then: pvi doctor --profile {folder}")


@app.command()
def demo(extra: Extra = None, profile: Profile = LOCAL) -> None:
    """Invert a small synthetic survey here, in minutes: results/demo/report/index.html."""
    from pvi_hpc.cli.run.launch import launch
    from pvi_hpc.cli.shipped import shipped

    raise typer.Exit(launch(str(shipped("config/demo.yaml")), profile, extra or []))


@app.command()
def run(config: Config, extra: Extra = None, profile: Profile = LOCAL) -> None:
    """Run a whole workflow, with progress; goes on where it was interrupted."""
    from pvi_hpc.cli.run.launch import launch

    raise typer.Exit(launch(config, profile, extra or []))


@app.command()
def resume(config: Config, extra: Extra = None, profile: Profile = LOCAL) -> None:
    """Go on after a kill or a crash: as run, but first clears what the dead left behind."""
    from pvi_hpc.cli.run.launch import launch

    raise typer.Exit(launch(config, profile, extra or [], unlock=True))


@app.command()
def status(
    project: ProjectName,
    watch: Annotated[
        float, typer.Option(help="Seconds between two displays; 0: show once.")
    ] = 0,
) -> None:
    """Show how far every run is: from any terminal, at any time."""
    from pvi_hpc.cli.run.progress import show_status

    show_status(project, watch)


@app.command()
def stop(project: ProjectName) -> None:
    """Stop a running workflow at its next checkpoint; `pvi resume` goes on."""
    from pvi_hpc.cli.run.ending import stop_project

    stop_project(project)


@app.command()
def check(
    config: Annotated[str | None, typer.Argument(help="A configuration file.")] = None,
    project: Annotated[str | None, typer.Option(help="A prepared project instead.")] = None,
    run: Annotated[str | None, typer.Option(help="Only this run.")] = None,
) -> None:
    """Find out what is wrong, what it costs and whether it fits, before anything runs."""
    from pvi_hpc.cli.steps import check_config

    check_config(config, project, run)


@app.command()
def inspect(
    file: Annotated[Path, typer.Argument(help="A SEG-Y or SU file.")],
    format_: Annotated[
        str | None, typer.Option("--format", help="segy or su; otherwise by the file's name.")
    ] = None,
    config: Annotated[
        str | None, typer.Option(help="A configuration, whose 'survey.headers' is followed.")
    ] = None,
) -> None:
    """Say what a SEG-Y or SU file holds, what is odd, and the lines that settle it."""
    from pvi_hpc.cli.inspect import inspect_file

    for line in inspect_file(file, format_, config):
        typer.echo(line)


@app.command(name="list")
def list_(
    kind: Annotated[
        str | None,
        typer.Argument(help="families, methods, priors, executors or forward_problems."),
    ] = None,
    name: Annotated[str | None, typer.Argument(help="One of them.")] = None,
) -> None:
    """List families, methods and other plug-ins; of one, every option with its meaning."""
    from pvi_hpc.cli.plugins import list_plugins

    for line in list_plugins(kind, name):
        typer.echo(line)


@app.command()
def rays(
    picks: Annotated[Path, typer.Argument(help="CSV file of travel times.")],
    config: Annotated[Path, typer.Argument(help="A configuration file, for its grid.")],
    folder: Annotated[Path, typer.Argument(help="Folder of the files to write.")],
    stations: Annotated[
        Path | None, typer.Option(help="CSV file of the stations that picks name.")
    ] = None,
) -> None:
    """Make the files of 'forward.kind: linear' from travel times along fixed rays."""
    from pvi_hpc.cli.rays import write_rays

    typer.echo(write_rays(picks, config, folder, stations))


@app.command()
def doctor(profile: Profile = LOCAL) -> None:
    """Try out workers, MPI, network and disk of a machine or cluster; says what to mend."""
    from pvi_hpc.cli.doctor import print_examination
    from pvi_hpc.cli.run.launch import find_profile
    from pvi_hpc.config.site import site_of

    works = print_examination(site_of(find_profile(profile)), Path.cwd())
    raise typer.Exit(0 if works else 1)


@app.command()
def prepare(project: ProjectName) -> None:
    """Import or simulate the survey of a project (called by the workflow)."""
    from pvi_hpc.cli.steps import prepare_project

    prepare_project(project)


@app.command()
def segment(
    project: ProjectName,
    run: RunName,
    until: Annotated[int, typer.Option(help="Iteration to stop at.")],
    manifest: Annotated[Path, typer.Option(help="File written last.")],
) -> None:
    """Advance a run to an iteration (called by the workflow)."""
    from pvi_hpc.cli.steps import run_segment

    raise typer.Exit(run_segment(project, run, until, manifest))


@app.command()
def posterior(project: ProjectName, run: RunName) -> None:
    """Draw samples and write mean, sd and quantiles (called by the workflow)."""
    from pvi_hpc.cli.steps import write_posterior_files

    write_posterior_files(project, run)


@app.command()
def predictive(project: ProjectName, run: RunName) -> None:
    """Simulate data from posterior draws (called by the workflow)."""
    from pvi_hpc.cli.steps import write_predictive_files

    raise typer.Exit(write_predictive_files(project, run))


@app.command()
def answers(project: ProjectName, run: RunName) -> None:
    """Answer the questions of the configuration (called by the workflow)."""
    from pvi_hpc.cli.steps import write_run_answers

    raise typer.Exit(write_run_answers(project, run))


@app.command()
def hypotheses(project: ProjectName, run: RunName) -> None:
    """Find the posterior under each of the hypotheses (called by the workflow)."""
    from pvi_hpc.cli.steps import write_run_hypotheses

    write_run_hypotheses(project, run)


@app.command()
def report(project: ProjectName) -> None:
    """Write the report (called by the workflow)."""
    from pvi_hpc.cli.steps import write_report

    write_report(project)


@app.command()
def calibrate(
    problem: Annotated[
        str,
        typer.Argument(help="A configuration, or an object in a Python file: case.py:problem."),
    ],
    inversions: Annotated[int, typer.Option(help="Number of inversions; at least 10.")] = 200,
    workers: Annotated[int, typer.Option(help="Number of inversions at a time.")] = 2,
    folder: Annotated[
        Path, typer.Option(help="Folder of inversions, figure and numbers; goes on there.")
    ] = Path("results/calibration"),
    run: Annotated[str | None, typer.Option(help="Only this run of a configuration.")] = None,
    profile: Profile = LOCAL,
) -> None:
    """Invert data of many random truths: are ranks uniform, do regions hold the truth?"""
    from pvi_hpc.cli.calibrate import (
        calibrate_config,
        calibrate_problem,
        is_config,
        site_execution,
    )
    from pvi_hpc.cli.run.launch import find_profile

    execution = site_execution(find_profile(profile), workers)
    if is_config(problem):
        calibrate_config(problem, run, inversions, execution, folder)
        return
    if run is not None:
        raise ConfigError(f"'--run' is for a configuration, got '{problem}'; remove it.")
    found = calibrate_problem(problem, inversions, execution, folder)
    unknowns = found.ranks.shape[1]
    typer.echo(f"{inversions} inversions of {unknowns} unknowns; smallest of {unknowns}:")
    typer.echo(
        f"SBC p-value {found.sbc_p_values.min():.3g}, VSBC {found.vsbc_p_values.min():.3g}"
    )
    typer.echo(f"TARP p-value {found.tarp_p_value:.3g}")
    low, high = found.sd_ratio.min(), found.sd_ratio.max()
    typer.echo(f"Estimated over right sd: {low:.2f} to {high:.2f} (below 1: over-confident)")
    typer.echo(f"Wrote {folder / 'calibration.png'}")
