"""Progress as a table on a terminal and as plain lines elsewhere."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from pvi_hpc.config import Project
from pvi_hpc.run.project import find_project, read_statuses
from pvi_hpc.run.status import Status

__all__ = ["Display", "progress_display", "show_status"]

SECONDS_BETWEEN_LINES = 10.0
#: Width of a table that goes to a file or a pipe [characters].
PLAIN_WIDTH = 140


def status_table(statuses: list[Status]) -> Table:
    """Return the table that `pvi status` and `pvi run` show."""
    table = Table(box=None, pad_edge=False)
    for name in ("run", "state", "iteration", "", "ELBO", "chi2", "sims", "failed", "retried"):
        table.add_column(name, justify="left" if name in ("run", "state", "") else "right")
    table.add_column("s/it", justify="right")
    table.add_column("ETA", justify="right")
    for s in statuses:
        table.add_row(
            s.run,
            f"{s.shown_state} ({s.phase})" if s.state == "running" else s.shown_state,
            f"{s.iteration}/{s.iterations}",
            ProgressBar(max(s.iterations, 1), s.iteration, width=20),
            _number(s.elbo, ".4g"),
            _number(s.chi_squared, ".3f"),
            *(str(n) for n in (s.done, s.failed, s.retried)),
            _number(s.rate, ".2f"),
            _duration(s.eta),
        )
    return table


def status_line(s: Status) -> str:
    """Return one plain line about a run, for logs."""
    return (
        f"{time.strftime('%H:%M:%S')} {s.run}: {s.shown_state} {s.phase} "
        f"{s.iteration}/{s.iterations} elbo={_number(s.elbo, '.6g')} "
        f"chi2={_number(s.chi_squared, '.3f')} simulations={s.done} failed={s.failed} "
        f"retried={s.retried} eta={_duration(s.eta)}"
    )


def show_status(name: str, watch: float) -> None:
    """Print the state of a project once, or again and again."""
    project = find_project(name)
    console = Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH)
    console.print(status_table(read_statuses(project)))
    for s in read_statuses(project):
        if s.message:
            console.print(f"{s.run}: {s.message}", markup=False)
        if s.dropped:
            console.print(f"{s.run}: {s.dropped} samples failed for good, dropped")
        if s.noise:
            factors = ", ".join(f"{factor:.3g}" for factor in s.noise)
            console.print(f"{s.run}: noise sd by group, relative to the given: {factors}")
    while watch > 0:
        time.sleep(watch)
        console.print(status_table(read_statuses(project)))


@contextmanager
def progress_display(project: Project) -> Iterator["Display"]:
    """Yield a display whose `refresh` shows the newest state."""
    console = Console()
    display = Display(project, console)
    if not console.is_terminal:
        yield display
        return
    with Live(console=console, refresh_per_second=4) as live:
        display.live = live
        yield display


class Display:
    """Display of the progress of a workflow while it runs."""

    def __init__(self, project: Project, console: Console) -> None:
        self.project = project
        self.console = console
        self.live: Live | None = None
        self._shown: dict[str, tuple[float, Status]] = {}
        self._step = ""

    def refresh(self, step: str) -> None:
        """Show the states of all runs and the step that the workflow is at."""
        statuses = read_statuses(self.project)
        if self.live is not None:
            table = status_table(statuses)
            table.caption, table.caption_justify = step, "left"
            self.live.update(table)
            return
        if step != self._step:
            print(f"{time.strftime('%H:%M:%S')} {step}", flush=True)
            self._step = step
        for status in statuses:
            self._line(status)

    def _line(self, status: Status) -> None:
        last, shown = self._shown.get(status.run, (0.0, None))
        due = time.monotonic() - last >= SECONDS_BETWEEN_LINES
        changed = shown is None or shown.state != status.state
        moved = shown is not None and shown.iteration != status.iteration
        if status.state != "waiting" and (changed or (due and moved)):
            print(status_line(status), flush=True)
            self._shown[status.run] = (time.monotonic(), status)


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    minutes, s = divmod(round(seconds), 60)
    hours, m = divmod(minutes, 60)
    return f"{hours}:{m:02d}:{s:02d}"
