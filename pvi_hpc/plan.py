"""How a project is cut into segments, and what is refused before anything runs."""

import json
from pathlib import Path

import psutil
import yaml

from pvi_hpc.config import Project, Run
from pvi_hpc.errors import CheckpointError
from pvi_hpc.store.atomic import write_text
from pvi_hpc.store.layout import ProjectPaths, RunPaths

__all__ = [
    "claim_run",
    "refuse_changed_runs",
    "segment_ends",
    "total_iterations",
    "write_owner",
    "write_project",
]


def total_iterations(run: Run) -> int:
    """Return the iterations of a run, deterministic start included."""
    return run.start.map_iterations + run.inference.iterations


def segment_ends(project: Project, run: Run) -> list[int]:
    """Return the iteration that each segment of a run ends at."""
    total = total_iterations(run)
    return [-(-total * (i + 1) // project.segments) for i in range(project.segments)]


def write_owner(path: Path) -> None:
    """Write who runs the workflow, so that `pvi stop` finds it."""
    process = psutil.Process()
    write_text(path, json.dumps({"pid": process.pid, "started": process.create_time()}))


def write_project(project: Project, path: Path) -> None:
    """Write a configuration, all defaults filled in, as YAML."""
    tree = json.loads(project.model_dump_json())
    write_text(path, yaml.safe_dump(tree, sort_keys=False))


def claim_run(run: Run, paths: RunPaths) -> None:
    """Write down, once, which settings a run was begun with."""
    if not paths.claim.exists():
        tree = {"fingerprint": run.fingerprint(), "settings": run.lasting_settings()}
        write_text(paths.claim, json.dumps(tree, indent=1))


def refuse_changed_runs(project: Project) -> None:
    """Stop where a run was begun with other settings, so that nothing of it is overwritten.

    Raises
    ------
    CheckpointError
        Naming the run, its folder and what can be done.
    """
    paths = ProjectPaths.of(project.name)
    for run in project.resolved:
        claim = paths.run(run.name).claim
        if not claim.exists():
            continue
        old = json.loads(claim.read_text())
        if old["fingerprint"] != run.fingerprint():
            changed = _changes(old["settings"], run.lasting_settings())
            raise CheckpointError(
                f"Run '{run.name}' in {claim.parent} was begun with other settings "
                f"({'; '.join(changed)}). Restore them to go on, give the run or the project "
                f"another 'name', or remove {claim.parent} to begin again."
            )


def _changes(old: object, new: object, where: str = "") -> list[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        changed = []
        for key in sorted({*old, *new}):
            changed += _changes(old.get(key), new.get(key), f"{where}.{key}".lstrip("."))
        return changed
    return [] if old == new else [f"'{where}' was {old!r}, is {new!r}"]
