"""Reading a configuration file, with one message for each fault."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from pvi_hpc.config.project import Project, Run
from pvi_hpc.errors import ConfigError

__all__ = ["load_project", "parse_project"]


def load_project(path: str | Path) -> Project:
    """Read and check a YAML configuration.

    Raises
    ------
    ConfigError
        With one line for each setting that is missing, unknown or impossible.
    """
    try:
        tree = yaml.safe_load(Path(path).read_text())
    except (OSError, yaml.YAMLError) as error:
        raise ConfigError(f"Cannot read the configuration '{path}': {error}") from error
    if not isinstance(tree, Mapping):
        raise ConfigError(f"'{path}' must hold keys such as 'grid' and 'prior', got {tree!r}.")
    return parse_project(tree, source=str(path))


def parse_project(tree: Mapping[str, Any], *, source: str = "configuration") -> Project:
    """Check a configuration that was already read; errors as `load_project`."""
    try:
        project = Project.model_validate(dict(tree))
    except ValidationError as error:
        raise ConfigError(_report(source, error.errors(), "")) from error
    names: list[str] = []
    for i, entry in enumerate(project.runs):
        for key in ("grid", "survey"):
            if key in entry:
                raise ConfigError(
                    f"{source}:\n  'runs.{i}.{key}' cannot differ: all runs of a project share "
                    f"'{key}'. Make a second project (another file with another 'name')."
                )
        try:
            names.append(Run.model_validate(project.merged(dict(entry))).name)
        except ValidationError as error:
            raise ConfigError(_report(source, error.errors(), f"runs.{i}.")) from error
    if len(set(names)) != len(names):
        raise ConfigError(f"{source}:\n  'runs' must have different names, got {names}.")
    return project


def _report(source: str, faults: Sequence[Any], prefix: str) -> str:
    lines = dict.fromkeys(f"  {_describe(fault, prefix)}" for fault in faults)
    return "\n".join([f"{source}:", *lines])


def _describe(fault: Any, prefix: str) -> str:
    # Branches of a union ("constrained-float", "tuple[...]") are not names of settings.
    parts = [str(p) for p in fault["loc"] if re.fullmatch(r"[a-z_0-9]+", str(p))]
    where = prefix + ".".join(parts) or "(top level)"
    value = fault.get("input")
    if fault["type"] == "extra_forbidden":
        return f"'{where}' is unknown (got {value!r}); correct the spelling or remove it."
    if fault["type"] == "missing":
        return f"'{where}' is missing; add it (see config/README.md)."
    message = fault["msg"].removeprefix("Value error, ")
    shown = f", got {value!r}" if not isinstance(value, dict) and "got" not in message else ""
    return f"'{where}': {message[:1].lower() + message[1:]}{shown}."
