"""Subcommands for a run that is done: `ask`, `correct`, `replace-prior` and `export`."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["ask", "correct", "export", "replace_prior"]


def ask(
    run: Annotated[str, typer.Argument(help="A run: demo/psvi, or its folder.")],
    questions: Annotated[Path, typer.Argument(help="A YAML file with a list 'questions'.")],
    draws: Annotated[
        int | None, typer.Option(help="New posterior draws; without: the saved samples.")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="File for all numbers, in JSON.")
    ] = None,
    linear_response: Annotated[
        int | None,
        typer.Option(
            min=1, help="Also simulate the sd by linear response, by so many products at most."
        ),
    ] = None,
) -> None:
    """Ask a posterior: how large, how deep, how fast? With error bars and the best answer."""
    from pvi_hpc.cli.answers import ask_run

    for line in ask_run(run, questions, draws, json_file, linear_response):
        typer.echo(line)


def correct(
    run: Annotated[str, typer.Argument(help="A run: demo/psvi, or its folder.")],
    chains: Annotated[int, typer.Option(help="Number of chains, simulated side by side.")] = 4,
    warmup: Annotated[int, typer.Option(help="Steps that tune the step, thrown away.")] = 500,
    draws: Annotated[int, typer.Option(help="Steps of each chain that are kept.")] = 1000,
) -> None:
    """Sample the posterior itself by Metropolis chains from the fit, for small problems."""
    from pvi_hpc.cli.answers import correct_run

    for line in correct_run(run, chains, warmup, draws):
        typer.echo(line)


def replace_prior(
    run: Annotated[str, typer.Argument(help="A run: demo/psvi, or its folder.")],
    hypotheses: Annotated[Path, typer.Argument(help="A YAML file with a list 'hypotheses'.")],
    json_file: Annotated[
        Path | None, typer.Option("--json", help="File for all numbers, in JSON.")
    ] = None,
) -> None:
    """Find the posterior under other priors, and their evidence, without a simulation."""
    from pvi_hpc.cli.answers import replace_run_priors

    for line in replace_run_priors(run, hypotheses, json_file):
        typer.echo(line)


def export(
    run: Annotated[str, typer.Argument(help="A run: demo/psvi, or its folder.")],
    form: Annotated[str, typer.Option("--format", help="segy, numpy or vtkhdf.")] = "segy",
    fields: Annotated[
        str, typer.Option(help="Some of mean, sd, quantiles and samples, with commas.")
    ] = "mean,sd",
    samples: Annotated[int | None, typer.Option(help="Number of samples; all.")] = None,
    hypothesis: Annotated[str | None, typer.Option(help="Under this other prior.")] = None,
    folder: Annotated[
        Path | None, typer.Option(help="Where to write; the folder 'export' of the run.")
    ] = None,
) -> None:
    """Write mean, sd, quantiles or samples as SEG-Y cubes, NumPy arrays or VTKHDF."""
    from pvi_hpc.cli.answers import export_run

    for line in export_run(run, fields, form, folder, samples, hypothesis):
        typer.echo(line)
