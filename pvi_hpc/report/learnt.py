"""A learnt posterior in the report: its verdict first, then what it was learnt from."""

from collections.abc import Mapping, Sequence
from typing import Any

from pvi_hpc.report.answers import figure
from pvi_hpc.report.tables import Row
from pvi_hpc.report.view import RunView

__all__ = ["learnt_rows", "learnt_warnings"]


def learnt_rows(view: RunView) -> list[Row]:
    """Return the rows of the table of a learnt posterior; none where there is none."""
    facts = view.learnt
    if not facts:
        return []
    verdict, failed = facts["verdict"], facts["failed draws"]
    rows = [
        Row("verdict", "calibrated" if verdict["passed"] else "NOT CALIBRATED"),
        *(Row(f"{name}: p-value", figure(p)) for name, p in verdict["p-values"].items()),
        Row("truths in 50 % intervals", f"{100 * verdict['coverage of 50 %']:.1f} %"),
        Row("truths in 90 % intervals", f"{100 * verdict['coverage of 90 %']:.1f} %"),
        Row("network", f"{facts['network']}, {facts['numbers']:,} numbers"),
        Row(
            "draws of the prior",
            f"{facts['draws']:,}",
            f"{failed:,} without data",
        ),
        Row("training", f"{figure(facts['training seconds'])} s"),
        *_round_rows(facts.get("rounds", [])),
    ]
    if facts["observed"]:
        seen = facts["observed"]
        rows += [
            Row(
                "observed data: p-value",
                figure(seen["p-value"]),
                "among those of held-out pairs",
            ),
            Row("its posterior took", f"{figure(seen['seconds'])} s"),
        ]
    return rows


def _round_rows(rounds: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Return the rows of a posterior that was learnt in rounds, for the observed data alone."""
    if not rounds:
        return []
    last = rounds[-1]
    rows = [
        Row("rounds", f"{len(rounds)}", "for the observed data alone"),
        Row("share of the prior in the last", figure(last["prior_share"])),
        Row("pairs of the last network", f"{last['pairs']:,}", "from all rounds"),
    ]
    if last["divergence"] is not None:
        told = f"{figure(last['divergence'])} nats an unknown"
        rows.append(Row("from the round before", told, "agreed" if last["agreed"] else ""))
    return rows


def learnt_warnings(views: Sequence[RunView]) -> list[str]:
    """Return sentences about networks that are not calibrated, or not made for the data."""
    told = []
    for view in views:
        if view.learnt and not view.learnt["verdict"]["passed"]:
            told.append(
                f"Learnt posterior of '{view.run}': {view.learnt['verdict']['sentence']}"
            )
        for warning in view.learnt.get("observed", {}).get("warnings", []):
            told.append(f"Learnt posterior of '{view.run}': {warning}")
    return told
