"""Division of a project into segments, and the settings refused before anything runs."""

import json
from pathlib import Path
from typing import Final

import yaml

from pvi_hpc.config import Project, Run
from pvi_hpc.config.project import ACOUSTIC, with_solver
from pvi_hpc.errors import CheckpointError
from pvi_hpc.priors import prior_bounds
from pvi_hpc.problem.forward import forward_problem
from pvi_hpc.store.atomic import write_text
from pvi_hpc.store.layout import ProjectPaths, RunPaths
from pvi_hpc.store.record import read_record

__all__ = [
    "claim_run",
    "refuse_changed_runs",
    "segment_end",
    "survey_inputs",
    "survey_settings",
    "total_iterations",
    "write_project",
]


#: What to do where one of these files was cut; checkpoints are compared with both all the same.
CLAIM_REMEDY: Final = "remove it: it is written again at the next checkpoint"
SURVEY_REMEDY: Final = "remove it: checkpoints hold the hash of the survey they belong to"


def total_iterations(run: Run) -> int:
    """Return the iterations of a run, those of its start included."""
    return run.start.iterations + run.inference.iterations


def segment_end(project: Project, run: Run, index: int) -> int:
    """Return the iteration that segment `index` of a run ends at."""
    return -(-total_iterations(run) * (index + 1) // project.segments)


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
    begun = [run for run in project.resolved if paths.run(run.name).claim.exists()]
    if begun and paths.survey_claim.exists():
        _refuse_changed_survey(project, paths)
    for run in begun:
        claim = paths.run(run.name).claim
        old = read_record(claim, CheckpointError, CLAIM_REMEDY)
        if old["fingerprint"] != run.fingerprint():
            changed = _changes(old["settings"], run.lasting_settings())
            raise CheckpointError(
                f"Run '{run.name}' in {claim.parent} was begun with other settings "
                f"({'; '.join(changed)}). Restore them to go on, give the run or the project "
                f"another 'name', or remove {claim.parent} to begin again."
            )


def survey_settings(project: Project) -> str:
    """Return, as JSON, the settings that the survey file depends on."""
    run = project.shared_run
    settings = run.lasting()
    tree = {name: settings[name] for name in ("grid", "survey", "forward")}
    if run.forward.kind != ACOUSTIC:  # claims of acoustic surveys have always held all keys
        tree["forward"] = run.lasting_settings()["forward"]
    tree = with_solver(tree)
    if run.survey is not None and run.survey.synthetic is not None:
        # The absorbing layers of the simulation are tuned to it.
        tree["prior"] = {"upper_m_s": prior_bounds(run.prior, run.cells)[1]}
    return json.dumps(tree, sort_keys=True)


def survey_inputs(project: Project) -> list[str]:
    """Return the files that the survey file is made from.

    Raises
    ------
    PviError
        If a file or pattern names nothing, or the settings contradict each other.
    """
    return forward_problem(project.shared_run).inputs()


def _refuse_changed_survey(project: Project, paths: ProjectPaths) -> None:
    old = read_record(paths.survey_claim, CheckpointError, SURVEY_REMEDY)
    changed = _changes(old, json.loads(survey_settings(project)))
    if changed:
        raise CheckpointError(
            f"{paths.survey} was made with other settings ({'; '.join(changed)}), and runs "
            "were begun with it. Restore them to go on, give the project another 'name', or "
            f"remove {paths.folder} to begin again."
        )


def _changes(old: object, new: object, where: str = "") -> list[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        changed = []
        for key in sorted({*old, *new}):
            changed += _changes(old.get(key), new.get(key), f"{where}.{key}".lstrip("."))
        return changed
    return [] if old == new else [f"'{where}' was {old!r}, is {new!r}"]
