"""The table of `pvi doctor` and `pvi solver test`, row by row as it is found out."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table

from pvi_hpc.selftest.outcome import Outcome

__all__ = ["print_outcomes"]


def print_outcomes(outcomes: Iterable[Outcome]) -> bool:
    """Print what passed, and a remedy for what did not; return whether all of it did."""
    console = Console()
    found = []
    for outcome in outcomes:
        found.append(outcome)
        mark = "[green]ok    [/green]" if outcome.passed else "[red]FAILED[/red]"
        console.print(f"{mark} {_row(outcome)}", highlight=False, soft_wrap=True)
    wrong = [outcome for outcome in found if not outcome.passed]
    if wrong:
        console.print(_remedies(wrong))
    console.print(f"{len(found) - len(wrong)} passed, {len(wrong)} failed")
    return not wrong


def _row(outcome: Outcome) -> str:
    demanded = f" ({outcome.demanded})" if outcome.demanded else ""
    return f"{outcome.name}: {outcome.seen}{demanded}"


def _remedies(wrong: Sequence[Outcome]) -> Table:
    table = Table(title="What to do", box=None, title_justify="left")
    table.add_column("failed")
    table.add_column("remedy")
    for outcome in wrong:
        table.add_row(outcome.name, outcome.remedy)
    return table
