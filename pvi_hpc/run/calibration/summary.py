"""Summary of a calibration of a survey: one row for each quantity, as JSON and as a table."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from pvi_hpc.diagnostics.calibration import Calibration, Inversion

__all__ = ["RIGHT", "summary_of", "table_of"]

#: An SBC p-value above this counts as calibrated.
RIGHT: Final = 0.01
#: Levels of the central intervals that are told.
TOLD: Final = (0.5, 0.9)


def summary_of(
    found: Mapping[str, Calibration], inversions: Sequence[Inversion], n_cells: int
) -> dict[str, Any]:
    """Return all numbers of a calibration; `sbc_share_above_0_01` counts all that is ranked.

    Thirds are cells once more and do not count in it. Errors of coverages are those of the mean
    over inversions, whose unknowns depend on each other.
    """
    ranked = [its for name, its in found.items() if not name.endswith("third")]
    p_values = np.concatenate([its.sbc_p_values for its in ranked])
    facts = {
        name: [float(inversion.facts[name]) for inversion in inversions]
        for name in inversions[0].facts
    }
    return {
        "inversions": len(inversions),
        "unknowns": n_cells,
        "sbc_share_above_0_01": float(np.mean(p_values > RIGHT)),
        "quantities": {name: _row(its) for name, its in found.items()},
        "means": {name: float(np.mean(values)) for name, values in facts.items()},
        "by inversion": facts,
    }


def _row(found: Calibration) -> dict[str, Any]:
    spread = found.coverage_by_inversion(np.array(TOLD))
    error = spread.std(axis=1, ddof=1) / np.sqrt(spread.shape[1])
    p_values = found.sbc_p_values
    row = {
        "numbers": found.ranks.shape[1],
        "share of SBC p-values above 0.01": float(np.mean(p_values > RIGHT)),
        "smallest SBC p-value": float(p_values.min()),
        "TARP p-value": found.tarp_p_value,
        "TARP": found.tarp.tolist(),
        "estimated over right sd": float(np.median(found.sd_ratio)),
        "mean rank": float(found.ranks.mean()),
    }
    for level, its, known in zip(TOLD, spread, error, strict=True):
        row[f"coverage of {100 * level:.0f} %"] = float(its.mean())
        row[f"its error at {100 * level:.0f} %"] = float(known)
    return row


def table_of(summary: Mapping[str, Any]) -> list[str]:
    """Return the lines of a table of what `summary_of` gave."""
    head = ("", "numbers", "SBC > 0.01", "in 50 %", "in 90 %", "TARP p", "sd / right sd")
    rows = [head]
    for name, row in summary["quantities"].items():
        shares = [_percent(row, level) for level in (50, 90)]
        sbc = f"{100 * row['share of SBC p-values above 0.01']:.0f} %"
        tarp, ratio = f"{row['TARP p-value']:.2g}", f"{row['estimated over right sd']:.2f}"
        rows.append((name, str(row["numbers"]), sbc, *shares, tarp, ratio))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        row[0].ljust(widths[0])
        + "".join(cell.rjust(n + 2) for cell, n in zip(row[1:], widths[1:], strict=True))
        for row in rows
    ]
    means = summary["means"]
    told = [f"{name} {means[name]:.4g}" for name in means]
    return [*lines, f"Means of {summary['inversions']} inversions: {', '.join(told)}"]


def _percent(row: Mapping[str, Any], level: int) -> str:
    share, error = row[f"coverage of {level} %"], row[f"its error at {level} %"]
    return f"{100 * share:.0f} ± {100 * error:.0f} %"
