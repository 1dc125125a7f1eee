"""The doctor's table, row by row as it is found out."""

import logging
from pathlib import Path

from rich.console import Console
from rich.table import Table

from pvi_hpc.doctor.examine import examine
from pvi_hpc.doctor.outcome import Outcome

__all__ = ["print_examination"]


def print_examination(site: Path | None, directory: Path) -> bool:
    """Print what works, and a remedy for what does not; return whether all of it does."""
    # Dask tells of the worker that the doctor kills as of a catastrophe.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    console = Console()
    outcomes: list[Outcome] = []
    for outcome in examine(site, directory):
        outcomes.append(outcome)
        console.print(
            f"{_mark(outcome)} {outcome.what}: {outcome.seen}", highlight=False, soft_wrap=True
        )
    wrong = [outcome for outcome in outcomes if not outcome.works]
    if wrong:
        console.print(_remedies(wrong))
    console.print(f"{len(outcomes) - len(wrong)} passed, {len(wrong)} failed")
    return not wrong


def _remedies(wrong: list[Outcome]) -> Table:
    table = Table(title="What to do", box=None, title_justify="left")
    table.add_column("failed")
    table.add_column("remedy")
    for outcome in wrong:
        table.add_row(outcome.what, outcome.remedy)
    return table


def _mark(outcome: Outcome) -> str:
    return "[green]ok    [/green]" if outcome.works else "[red]FAILED[/red]"
