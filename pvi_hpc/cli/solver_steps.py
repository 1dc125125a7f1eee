"""What `pvi solver` does."""

from collections.abc import Iterator

import typer

from pvi_hpc.config import load_project
from pvi_hpc.verify.accuracy import check_accuracy
from pvi_hpc.verify.case import VerifyCase
from pvi_hpc.verify.outcome import Outcome, table
from pvi_hpc.verify.properties import check_properties
from pvi_hpc.verify.ranks import check_ranks

__all__ = ["test_solver"]


def test_solver(config: str | None, cells: int, steps: int, ranks: list[int]) -> int:
    """Print the table of all tests; return 1 if one failed."""
    case = _case(config, cells, steps)
    grid = case.settings
    typer.echo(
        f"Grid {' x '.join(map(str, grid.shape))} of "
        f"{' x '.join(f'{h:g}' for h in grid.spacing)} m, time step {grid.dt:.4g} s, layer of "
        f"{grid.n_pml} cells, {case.slowest:g} to {case.fastest:g} m/s, {case.peak:g} Hz; "
        "float64, 1 thread"
    )
    outcomes = list(_all(case, ranks))
    typer.echo("\n".join(table(outcomes)))
    return 0 if all(o.passed for o in outcomes) else 1


def _case(config: str | None, cells: int, steps: int) -> VerifyCase:
    if config is None:
        return VerifyCase.default(cells, steps)
    return VerifyCase.of_run(load_project(config).shared_run, cells, steps)


def _all(case: VerifyCase, ranks: list[int]) -> Iterator[Outcome]:
    yield from check_properties(case)
    yield from check_accuracy(case)
    yield from check_ranks(case, ranks)
