"""The table of a corrected posterior: each quantity by the chains and by the fit."""

from collections.abc import Mapping
from typing import Any, Final

from pvi_hpc.report.answers import figure
from pvi_hpc.report.tables import Row

__all__ = ["corrected_rows"]

#: R-hat above which chains do not agree, and fewest effective draws that tell an sd.
APART: Final = 1.05
FEW: Final = 100


def corrected_rows(facts: Mapping[str, Any]) -> list[Row]:
    """Return one row for each quantity of `corrected.json`; nothing where there is none."""
    return [
        Row(name.replace("_", " "), *_told(its))
        for name, its in facts.get("quantities", {}).items()
    ]


def _told(its: Mapping[str, Any]) -> tuple[str, str]:
    """Return the corrected mean and sd, and what is to be known of them."""
    if "refused" in its:
        return "", its["refused"]
    value = f"{figure(its['mean'])} ± {figure(its['sd'])}"
    note = f"variational {figure(its['mean_of_fit'])} ± {figure(its['sd_of_fit'])}"
    if its["r_hat"] is None:
        return value, f"{note}; a chain did not move: take more draws"
    note += f"; {its['effective']:.0f} effective draws, R-hat {its['r_hat']:.2f}"
    if its["r_hat"] > APART or its["effective"] < FEW:
        note += ": too short, take more draws"
    return value, note
