"""`pvi solver test` and `pvi solver bench`: the wave solver on the user's machine and grid."""

from typing import Annotated

import typer

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Test and time the wave solver on this machine.")

OwnConfig = Annotated[
    str | None, typer.Argument(help="A configuration file: its grid, time step and layer.")
]


@app.command()
def test(
    config: OwnConfig = None,
    cells: Annotated[int, typer.Option(help="Cells kept of each axis.")] = 40,
    steps: Annotated[int, typer.Option(help="Time steps of a simulation.")] = 200,
    ranks: Annotated[list[int] | None, typer.Option(help="Ranks to compare with 1.")] = None,
) -> None:
    """Test adjoint, gradient, reciprocity, exact wave, orders and ranks."""
    from pvi_hpc.cli.solver_steps import test_solver

    raise typer.Exit(test_solver(config, cells, steps, ranks or [2, 3]))


@app.command()
def bench(
    config: OwnConfig = None,
    cells: Annotated[int, typer.Option(help="Cells kept of each axis.")] = 128,
    steps: Annotated[int, typer.Option(help="Time steps of a simulation.")] = 120,
    threads: Annotated[list[int] | None, typer.Option(help="Numbers of threads.")] = None,
    repeats: Annotated[int, typer.Option(help="Runs that a median is taken of.")] = 3,
) -> None:
    """Time forward runs against the memory's bandwidth, and every storage of gradients."""
    from pvi_hpc.cli.solver_steps import bench_solver

    bench_solver(config, cells, steps, threads or [1, 2], repeats)
