"""The subcommand `serve`: a run's posterior and simulations over HTTP."""

from pathlib import Path
from typing import Annotated

import typer

from pvi_hpc.errors import ConfigError

__all__ = ["serve", "serve_project"]


def serve(
    project: Annotated[
        str, typer.Argument(help="Name of a project under results/, or folder.")
    ],
    run: Annotated[str | None, typer.Option(help="Which run, where there are several.")] = None,
    port: Annotated[int, typer.Option(help="Port to listen at; 0: any free one.")] = 4242,
    host: Annotated[str, typer.Option(help="Address to listen at.")] = "127.0.0.1",
    allow_remote: Annotated[
        bool, typer.Option("--allow-remote", help="Let other machines connect; no password.")
    ] = False,
) -> None:
    """Serve a run's posterior and simulations to other programs, by UM-Bridge over HTTP."""
    serve_project(project, run, host, port, allow_remote)


def serve_project(
    project: str, run: str | None, host: str, port: int, allow_remote: bool
) -> None:
    """Serve a run until a signal or `pvi stop`.

    Raises
    ------
    ConfigError
        If there is no such project or run, or several and none is named; or as `serve_run`.
    """
    from pvi_hpc.run.interrupt import StopFlag
    from pvi_hpc.run.results import open_project
    from pvi_hpc.run.serving.serve import Address, serve_run
    from pvi_hpc.store.layout import ProjectPaths

    folder = Path(project)
    found = open_project(
        folder if ProjectPaths(folder).config.exists() else Path("results") / project
    )
    if run is None and len(found.runs) > 1:
        raise ConfigError(
            f"'--run' must name one of {', '.join(found.runs)}; the project has several."
        )
    results = found[run or found.runs[0]]
    with StopFlag(results.project.stop) as stop:
        serve_run(results, Address(host, port, allow_remote), stop, _say)


def _say(line: str) -> None:
    """Print a line at once: whoever waits for the address reads it."""
    print(line, flush=True)
