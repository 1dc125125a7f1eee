"""Reading a configuration file, with one message for each fault."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from pvi_hpc.config.hypotheses import HypothesisSettings
from pvi_hpc.config.project import Project, Run, merge
from pvi_hpc.config.site import at_site
from pvi_hpc.config.yaml_file import read_tree
from pvi_hpc.errors import ConfigError
from pvi_hpc.plugins import describe_fault

__all__ = ["load_project", "parse_project", "parse_settings", "run_under"]

Settings = TypeVar("Settings", bound=BaseModel)


def load_project(path: str | Path, *, site: str | Path | None = None) -> Project:
    """Read and check a YAML configuration, with the `execution` of a site's file if given.

    Raises
    ------
    ConfigError
        With one line for each setting that is missing, unknown or impossible.
    """
    tree = read_tree(path, "'grid' and 'prior'")
    return parse_project(tree, source=str(path), site=site)


def parse_project(
    tree: Mapping[str, Any],
    *,
    source: str = "configuration",
    site: str | Path | None = None,
) -> Project:
    """Check a configuration that was already read; errors as `load_project`."""
    if site is not None:
        tree = at_site(tree, site)
        source = f"{source} with {site}"
    project = parse_settings(Project, tree, source)
    runs: list[Run] = []
    for i, entry in enumerate(project.runs):
        for key in ("grid", "survey"):
            if key in entry:
                raise ConfigError(
                    f"{source}:\n  'runs.{i}.{key}' cannot differ: all runs of a project share "
                    f"'{key}'. Make a second project (another file with another 'name')."
                )
        runs.append(parse_settings(Run, project.merged(dict(entry)), source, f"runs.{i}."))
    names = [run.name for run in runs]
    if len(set(names)) != len(names):
        raise ConfigError(f"{source}:\n  'runs' must have different names, got {names}.")
    vars(project)["resolved"] = tuple(runs)  # what `Project.resolved` would make once more
    return project


def parse_settings(
    kind: type[Settings], tree: Mapping[str, Any], source: str, prefix: str = ""
) -> Settings:
    """Check settings that come from `source`; errors as `load_project`, names with `prefix`."""
    try:
        return kind.model_validate(dict(tree))
    except ValidationError as error:
        raise ConfigError(_report(source, error.errors(), prefix)) from error


def run_under(run: Run, hypothesis: HypothesisSettings) -> Run:
    """Return a run with the prior of a hypothesis, its keys over those of its own.

    Raises
    ------
    ConfigError
        With one line for each setting of the prior that is impossible.
    """
    tree = merge(run.model_dump(), {"prior": dict(hypothesis.prior)})
    return parse_settings(Run, tree, f"hypothesis '{hypothesis.name}' of run '{run.name}'")


def _report(source: str, faults: Sequence[Any], prefix: str) -> str:
    lines = dict.fromkeys(f"  {describe_fault(fault, prefix)}" for fault in faults)
    return "\n".join([f"{source}:", *lines])
