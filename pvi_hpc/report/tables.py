"""The tables of the report: numbers as a person reads them."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from pvi_hpc.report.view import RunView

__all__ = [
    "MISSING",
    "NARROW",
    "Row",
    "comparison_rows",
    "fact_rows",
    "group_rows",
    "noise_rows",
    "provenance_rows",
    "score_rows",
]

MISSING = "–"
NARROW = "\u202f"  # a narrow space that does not break the line


class Row(NamedTuple):
    """Name, value, and what to compare the value with."""

    name: str
    value: str
    note: str = ""


def fact_rows(view: RunView) -> list[Row]:
    """Return what the run was and what it cost."""
    grid, facts = view.summary.grid, view.facts
    simulations = facts.get("simulations", {})
    spacing = " x ".join(f"{h:g}" for h in grid.spacing)
    cells = " x ".join(str(n) for n in grid.shape)
    rows = [
        Row("Grid (z, y, x)", f"{cells} cells of {spacing} m"),
        Row("Cells inverted", f"{int(view.summary.active.sum()):,} of {grid.size:,}"),
        Row("Sources, receivers", _positions(view)),
        Row("Iterations", _count(facts.get("iterations"))),
        Row("Simulations (of one shot)", _count(simulations.get("done"))),
        Row("… failed", _count(simulations.get("failed"))),
        Row("… retried", _count(simulations.get("retried"))),
        Row(
            "Samples dropped (could not be simulated)",
            _count(simulations.get("samples dropped")),
        ),
        Row("Wall time", _duration(facts.get("wall_seconds"))),
        Row("Core-hours", _number(facts.get("core_hours"), "{:.3g}")),
        Row("Host", _host(facts)),
        Row("Seed", str(facts.get("seed", MISSING))),
    ]
    return [row for row in rows if row.value != MISSING]


def score_rows(view: RunView) -> list[Row]:
    """Return the scores with what a good posterior would have."""
    found = view.scores
    noise = 2 * found.get("chi_squared_spread", 0)
    inferred = ", by the noise inferred" if view.facts.get("noise") else ""
    aim = f"noise alone: 1 ± {noise:.2g}{inferred}"
    rows = [
        _row(found, "elbo", "Final ELBO", "{:,.1f}", _elbo_note(found)),
        _row(found, "chi_squared_start", "Reduced chi-squared, start", "{:.3f}", aim),
        _row(found, "chi_squared_mean", "Reduced chi-squared, mean model", "{:.3f}", aim),
        _row(found, "chi_squared_draws", "Reduced chi-squared, draws", "{:.3f}", _range(found)),
        _row(found, "p_value", "Posterior predictive p-value", "probability", _P_NOTE),
        _row(found, "k_hat_worst", "Pareto k-hat of blocks, worst", "{:.2f}", _k_note(found)),
        _row(found, "correlation_mean", "Correlation of mean with true", "{:.3f}", _vs(found)),
        _row(
            found,
            "anomaly_correlation_mean",
            "The same without the depth trend",
            "{:.3f}",
            _vs(found, "anomaly_"),
        ),
        _row(found, "rms_mean", "Rms error of mean [m/s]", "{:.1f}", _rms_note(found)),
        _row(found, "coverage_50", "Cells inside the 50 % interval", "percent", "ideal: 50 %"),
        _row(found, "coverage_90", "Cells inside the 90 % interval", "percent", "ideal: 90 %"),
        _row(found, "sd_ratio", "Posterior / prior sd, mean", "{:.3f}", "1: nothing learnt"),
    ]
    return [row for row in rows if row is not None]


def group_rows(view: RunView) -> list[Row]:
    """Return the fit of each group of data; nothing where there are no groups."""
    groups = view.predictive.groups if view.predictive is not None else None
    if groups is None:
        return []
    columns = zip(groups.names, groups.mean, groups.draws.T, groups.p_values, strict=True)
    return [
        Row(
            name,
            f"{mean:.3f}",
            f"draws {draws.mean():.3f}, p-value {_number(p, 'probability')}",
        )
        for name, mean, draws, p in columns
    ]


def noise_rows(view: RunView) -> list[Row]:
    """Return the inferred noise sd of each group of data, relative to the given one."""
    return [
        Row(
            name,
            f"{noise['factor']:.3f}",
            f"90{NARROW}% interval {noise['interval_90'][0]:.3f} to "
            f"{noise['interval_90'][1]:.3f}, {noise['n_data']:,.0f} data",
        )
        for name, noise in view.facts.get("noise", {}).items()
    ]


def provenance_rows(view: RunView) -> list[Row]:
    """Return whatever else the run says about itself, one row per number."""
    shown = {"iterations", "simulations", "wall_seconds", "core_hours", "host", "host_cores"}
    shown |= {"groups", "noise"}
    rest = {k: v for k, v in view.facts.items() if k not in shown | {"elbo", "elbo_se", "seed"}}
    tree = {**view.summary.attributes, **rest}
    return [Row(name, value) for name, value in _flatten(tree)]


def comparison_rows(views: list[RunView]) -> list[dict[str, str]]:
    """Return one dictionary per run, column heading to value, the same columns in each."""
    return [_comparison_row(view, view.scores) for view in views]


_P_NOTE = "0.05 to 0.95 if the noise is as assumed"


def _comparison_row(view: RunView, found: Mapping[str, float]) -> dict[str, str]:
    se = f" ± {found['elbo_se']:.1f}" if "elbo_se" in found else ""
    facts = view.facts
    return {
        "ELBO": _number(found.get("elbo"), "{:,.1f}" + se),
        "chi² start": _number(found.get("chi_squared_start"), "{:.3f}"),
        "chi² mean": _number(found.get("chi_squared_mean"), "{:.3f}"),
        "chi² draws": _number(found.get("chi_squared_draws"), "{:.3f}"),
        "correlation": _number(found.get("correlation_mean"), "{:.3f}"),
        "rms error [m/s]": _number(found.get("rms_mean"), "{:.1f}"),
        f"in 50{NARROW}%": _number(found.get("coverage_50"), "percent"),
        f"in 90{NARROW}%": _number(found.get("coverage_90"), "percent"),
        "sd / prior sd": _number(found.get("sd_ratio"), "{:.3f}"),
        "simulations": _count(facts.get("simulations", {}).get("done")),
        "core-hours": _number(facts.get("core_hours"), "{:.3g}"),
        "wall time": _duration(facts.get("wall_seconds")),
    }


def _positions(view: RunView) -> str:
    """Return the numbers of positions, or nothing for a forward problem without any."""
    if not len(view.sources):
        return MISSING
    return f"{len(view.sources)}, {len(view.receivers)} positions"


def _row(found: Mapping[str, float], key: str, name: str, form: str, note: str) -> Row | None:
    return Row(name, _number(found[key], form), note) if key in found else None


def _elbo_note(found: Mapping[str, float]) -> str:
    return f"standard error {found['elbo_se']:,.1f}" if "elbo_se" in found else ""


def _k_note(found: Mapping[str, float]) -> str:
    return f"{found.get('k_hat_blocks', 0):.0f} blocks; above 0.7 the tails are too light"


def _range(found: Mapping[str, float]) -> str:
    low, high = (found.get(f"chi_squared_draws_{k}", 0) for k in ("min", "max"))
    return f"{low:.3f} to {high:.3f}"


def _vs(found: Mapping[str, float], prefix: str = "") -> str:
    value = found.get(f"{prefix}correlation_start", float("nan"))
    return f"start: {value:.3f}" if value == value else "start: none (it is constant)"


def _rms_note(found: Mapping[str, float]) -> str:
    start, prior = found.get("rms_start", 0), found.get("rms_prior_mean", 0)
    return f"start: {start:.1f}, prior mean: {prior:.1f}"


def _number(value: Any, form: str) -> str:
    """Return a number in a format, as "percent", or as a "probability"."""
    if value is None:
        return MISSING
    if form == "percent":
        return f"{100 * value:.1f}{NARROW}%"
    if form == "probability":
        return "< 0.001" if value < 0.001 else f"{value:.3f}"
    return form.format(value)


def _count(value: Any) -> str:
    return _number(value, "{:,}")


def _duration(seconds: Any) -> str:
    if seconds is None:
        return MISSING
    minutes, s = divmod(round(float(seconds)), 60)
    h, m = divmod(minutes, 60)
    return f"{h} h {m:02d} min" if h else f"{m} min {s:02d} s"


def _host(facts: Mapping[str, Any]) -> str:
    if "host" not in facts:
        return MISSING
    cores = f", {facts['host_cores']} cores" if "host_cores" in facts else ""
    return f"{facts['host']}{cores}"


def _flatten(tree: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for name, value in tree.items():
        if isinstance(value, Mapping):
            rows += _flatten(value, f"{prefix}{name} ")
        else:
            rows.append((f"{prefix}{name}".replace("_", " "), str(value)))
    return rows
