"""A copy of a cluster profile, adapted to the private batch systems as a site would."""

import shutil
from pathlib import Path
from typing import Any

import yaml
from chain import ROOT
from fault import JOBS

__all__ = ["make_profile"]

#: Snakemake's part: ask at once, and a second after a job was submitted.
QUICK: dict[str, dict[str, Any]] = {
    "slurm": {"slurm-init-seconds-before-status-checks": 1},
    "sge": {"seconds-between-status-checks": 1},
    "allocation": {},
}


def make_profile(kind: str, folder: Path) -> Path:
    """Copy `cluster_profiles/KIND` and change what a site must change; return the copy."""
    profile = folder / kind
    shutil.copytree(ROOT / "cluster_profiles" / kind, profile)
    config, dask = profile / "config.yaml", profile / "dask.yaml"
    tree = yaml.safe_load(config.read_text())
    # Small jobs: the nodes are shares of one machine.
    tree |= QUICK[kind]
    tree["latency-wait"] = 10
    tree["config"] = [f"site={dask}"]
    if "default-resources" in tree:
        tree["default-resources"] |= {"mem_mb": 1000, "runtime": 10}
    for key in ("cluster-generic-submit-cmd", "cluster-generic-status-cmd"):
        if key in tree:
            tree[key] = tree[key].replace("cluster_profiles/sge", str(profile))
    config.write_text(yaml.safe_dump(tree))
    site = yaml.safe_load(dask.read_text())
    site["cluster"] |= JOBS.get(kind, {})
    dask.write_text(yaml.safe_dump(site))
    return profile
