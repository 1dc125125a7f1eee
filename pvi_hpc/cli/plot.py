"""`pvi plot prior`: pictures of what a configuration says, before anything runs."""

from functools import partial
from typing import Annotated

import typer

from pvi_hpc.errors import ConfigError

__all__ = ["app", "plot_priors"]

app = typer.Typer(no_args_is_help=True, help="Draw pictures of a configuration.")


@app.callback()
def pictures() -> None:
    """Draw pictures of a configuration."""


@app.command()
def prior(
    config: Annotated[str, typer.Argument(help="A configuration file.")],
    run: Annotated[str | None, typer.Option(help="Only this run.")] = None,
    draws: Annotated[int, typer.Option(help="Number of draws.", min=1, max=8)] = 4,
    seed: Annotated[int, typer.Option(help="Seed of the draws.", min=0)] = 1,
) -> None:
    """Draw models from the prior of every run: results/PROJECT/prior_RUN.png."""
    for path in plot_priors(config, run, draws, seed):
        typer.echo(f"Wrote {path}")


def plot_priors(config: str, only: str | None, draws: int, seed: int) -> list[str]:
    """Write a picture of each run's prior; return where they are.

    Raises
    ------
    ConfigError
        If a prior cannot be made, or has no unknown cells.
    """
    from pvi_hpc.config import load_project
    from pvi_hpc.report.figures.prior_draws import draw_prior
    from pvi_hpc.report.style import png
    from pvi_hpc.store.atomic import atomic_path
    from pvi_hpc.store.layout import ProjectPaths

    project = load_project(config)
    folder = ProjectPaths.of(project.name).folder
    found = []
    for run in project.resolved if only is None else (project.run(only),):
        if not run.cells.n:
            raise ConfigError(
                "'prior.fixed_above_m' must leave unknown cells, but the last ones are at "
                f"{run.grid.grid.upper[0]:g} m, got {run.prior.fixed_above_m} m."
            )
        picture = png(partial(draw_prior, run, project.report, draws, seed))
        path = folder / f"prior_{run.name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as part:
            part.write_bytes(picture)
        found.append(str(path))
    return found
