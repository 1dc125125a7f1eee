"""Do runs that differ in seed or start alone tell the same story?"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import yaml

from pvi_hpc.diagnostics.convergence import r_hat
from pvi_hpc.report.tables import Row
from pvi_hpc.report.view import BLOCKS, RunView

__all__ = ["restart_rows"]

#: Settings in which restarts may differ: where they begin, and what changes no result.
FREE: Final = ("name", "seed", "start", "execution", "posterior")
#: Draws that R-hat needs of each run.
FEWEST: Final = 4


def restart_rows(views: Sequence[RunView]) -> list[Row]:
    """Return a row for each group of restarts: their names and the worst R-hat of a block."""
    groups: dict[str, list[RunView]] = {}
    for view in views:
        if len(view.block_means) >= FEWEST:
            groups.setdefault(_settings(view), []).append(view)
    return [_row(group) for group in groups.values() if len(group) > 1]


def _settings(view: RunView) -> str:
    tree = yaml.safe_load(view.config)
    return yaml.safe_dump({k: v for k, v in tree.items() if k not in FREE})


def _row(group: Sequence[RunView]) -> Row:
    shortest = min(len(view.block_means) for view in group)
    found = r_hat(np.stack([view.block_means[:shortest] for view in group]))
    summary = group[0].summary
    places = [place for place, box in summary.grid.boxes(BLOCKS) if summary.active[box].any()]
    worst = int(found.argmax())
    note = f"worst of {len(found)} blocks: {places[worst]}; {shortest} draws of each"
    return Row(", ".join(view.run for view in group), f"{found[worst]:.3f}", note)
