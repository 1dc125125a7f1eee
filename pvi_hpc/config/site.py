"""Settings of a site for its workers: the `dask.yaml` of a Snakemake profile.

It holds keys of `execution`, and wins over the configuration of a run: that is about physics
and the same everywhere, while queues, walltimes and launchers are the site's.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pvi_hpc.config.yaml_file import read_tree

__all__ = ["SITE_FILE", "at_site", "site_of"]

#: Name of the file beside the `config.yaml` of a profile.
SITE_FILE = "dask.yaml"


def site_of(profile: Path) -> Path | None:
    """Return the site's file of a profile, or None if it has none."""
    path = profile / SITE_FILE
    return path if path.exists() else None


def at_site(tree: Mapping[str, Any], path: str | Path) -> dict[str, Any]:
    """Return a configuration with a site's `execution` put over that of every run.

    Raises
    ------
    ConfigError
        If the file cannot be read.
    """
    site = read_tree(path, "'executor' and 'cluster'")
    changed = {**tree, "execution": _over(tree.get("execution"), site)}
    runs = tree.get("runs")
    if isinstance(runs, list | tuple):
        changed["runs"] = [_run_at_site(run, site) for run in runs]
    return changed


def _run_at_site(run: Any, site: Mapping[str, Any]) -> Any:
    if not isinstance(run, Mapping) or "execution" not in run:
        return run
    return {**run, "execution": _over(run["execution"], site)}


def _over(base: Any, over: Mapping[str, Any]) -> Any:
    if base is not None and not isinstance(base, Mapping):
        return base  # The check of the configuration names it.
    merged = dict(base or {})
    for key, value in over.items():
        merged[key] = _over(merged.get(key), value) if isinstance(value, Mapping) else value
    return merged
