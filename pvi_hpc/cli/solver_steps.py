"""Steps behind the commands `pvi solver ...`."""

from collections.abc import Iterator
from dataclasses import replace

import typer

from pvi_hpc.cli.outcomes import print_outcomes
from pvi_hpc.config import load_project
from pvi_hpc.selftest.outcome import Outcome
from pvi_hpc.selftest.solver.accuracy import check_accuracy
from pvi_hpc.selftest.solver.case import VerifyCase
from pvi_hpc.selftest.solver.properties import check_properties
from pvi_hpc.selftest.solver.ranks import check_ranks
from pvi_hpc.selftest.solver.roofline import roofline
from pvi_hpc.selftest.solver.timing import bandwidth, forward_speeds, storage_costs

__all__ = ["bench_solver", "test_solver"]


def test_solver(config: str | None, cells: int, steps: int, ranks: list[int]) -> int:
    """Print the table of all tests; return 1 if one failed."""
    case = _case(config, cells, steps)
    typer.echo(f"{_describe(case)}; float64, 1 thread")
    return 0 if print_outcomes(_all(case, ranks)) else 1


def bench_solver(
    config: str | None, cells: int, steps: int, threads: list[int], repeats: int
) -> None:
    """Print the speed of forward runs, and the cost of a gradient by every storage."""
    case = _case(config, cells, steps)
    typer.echo(f"{_describe(case)}, {steps} steps; float32")
    streams = ", ".join(f"{bandwidth(n) / 1e9:.1f} GB/s with {n}" for n in threads)
    typer.echo(f"Streaming bandwidth by threads: {streams}\n")
    typer.echo(f"{'threads':>7}  {'Gcells/s':>8}  of the bandwidth's limit")
    for speed in forward_speeds(case, threads, repeats):
        rate = speed.cells_per_second / 1e9
        typer.echo(f"{speed.threads:7d}  {rate:8.3f}  {speed.of_limit:.2f}")
    _explain(case, max(threads), repeats)
    most = replace(case, settings=replace(case.settings, threads=max(threads)))
    typer.echo(f"\n{'gradient stores':<24}  {'memory':>9}  {'forwards':>8}  error")
    for cost in storage_costs(most, repeats):
        memory = f"{cost.memory / 1e9:.2f} GB"
        error = "exact" if cost.error == 0 else f"{cost.error:.1e}"
        typer.echo(f"{cost.name:<24}  {memory:>9}  {cost.forwards:8.2f}  {error}")


def _explain(case: VerifyCase, threads: int, repeats: int) -> None:
    """Print what holds forward runs: arithmetic in cache, traffic in memory."""
    typer.echo(
        f"\n{f'forward, {threads} threads':<24}  Gcells/s  bytes a cell  GB/s  of stream"
    )
    for roof in roofline(case, threads, repeats):
        moved = roof.cells_per_second * roof.traffic / 1e9
        of_stream = "" if roof.of_stream is None else f"{roof.of_stream:.2f}"
        typer.echo(
            f"{roof.name:<24}  {roof.cells_per_second / 1e9:8.3f}  {roof.traffic:12.1f}  "
            f"{moved:4.0f}  {of_stream:>9}"
        )


def _describe(case: VerifyCase) -> str:
    grid = case.settings
    return (
        f"Grid {' x '.join(map(str, grid.shape))} of "
        f"{' x '.join(f'{h:g}' for h in grid.spacing)} m, time step {grid.dt:.4g} s, layer of "
        f"{grid.n_pml} cells, {case.slowest:g} to {case.fastest:g} m/s, {case.peak:g} Hz"
    )


def _case(config: str | None, cells: int, steps: int) -> VerifyCase:
    if config is None:
        return VerifyCase.default(cells, steps)
    return VerifyCase.of_run(load_project(config).shared_run, cells, steps)


def _all(case: VerifyCase, ranks: list[int]) -> Iterator[Outcome]:
    yield from check_properties(case)
    yield from check_accuracy(case)
    yield from check_ranks(case, ranks)
