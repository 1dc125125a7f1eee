"""Plug-ins, found by name through entry points, and the settings that each of them reads."""

import os
import re
from collections.abc import Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    PositiveFloat,
    ValidationError,
)

from pvi_hpc.errors import ConfigError

__all__ = [
    "Axes",
    "Counts",
    "Depths",
    "KindSettings",
    "Name",
    "PathName",
    "Seed",
    "Settings",
    "Values",
    "load_plugin",
    "plugin_names",
    "plugin_section",
    "read_options",
]


class Settings(BaseModel):
    """Reject unknown keys, NaN and infinity; forbid mutation."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class KindSettings(Settings):
    """Base of sections that hold `kind`, a plug-in's name, and the plug-in's own keys."""

    kind: str = Field(description="Name of the plug-in.")


def _expand(path: str) -> str:
    expanded = str(Path(os.path.expandvars(path)).expanduser())
    missing = re.search(r"\$\{?(\w+)", expanded)
    if missing:
        raise ValueError(f"uses ${missing[1]}, which is not set; export {missing[1]}=...")
    return expanded


#: Path relative to the directory the run is launched in; `$NAME` and `~` are expanded.
PathName = Annotated[str, AfterValidator(_expand)]

#: Part of file names and Snakemake wildcards.
Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$")]

#: Seed of random numbers.
Seed = Annotated[int, Field(ge=0)]

#: Positive values, such as velocities [m/s].
Values = tuple[PositiveFloat, ...]

#: Depths of the nodes of a table [m].
Depths = Annotated[tuple[float, ...], Field(min_length=1)]

#: One value for each axis `(z, y, x)`.
Axes = tuple[float, float, float]

#: Number of cells for each axis `(z, y, x)`.
Counts = tuple[
    Annotated[int, Field(ge=8)], Annotated[int, Field(ge=8)], Annotated[int, Field(ge=8)]
]


def plugin_names(group: str) -> list[str]:
    """Return the names of the entry points of `group` that are installed, sorted."""
    return sorted(entry_points(group=group).names)


def load_plugin(group: str, name: str, setting: str) -> Any:
    """Return what the entry point `name` of `group` points to.

    Parameters
    ----------
    group
        Group of entry points, such as `pvi_hpc.priors`.
    name
        Name that the user wrote.
    setting
        Setting in which the user wrote it, for the message.

    Raises
    ------
    ConfigError
        If there is no such entry point, or it cannot be imported.
    """
    found = entry_points(group=group)
    if name not in found.names:
        known = ", ".join(sorted(found.names)) or "none: install the package, 'make setup'"
        raise ConfigError(
            f"'{setting}' must be one of those installed ({known}), got '{name}'."
        )
    try:
        return found[name].load()
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f"'{setting}: {name}' points to '{found[name].value}', which cannot be imported: "
            f"{error}. Reinstall the package that provides it."
        ) from error


Options = TypeVar("Options", bound=Settings)


def read_options(
    model: type[Options], setting: str, kind: str, options: Mapping[str, Any]
) -> Options:
    """Return `options` as `model`.

    Parameters
    ----------
    model
        What the plug-in accepts.
    setting, kind
        Where the user wrote the options, and the plug-in's name, for the message.
    options
        What the user wrote.

    Raises
    ------
    ConfigError
        If one is unknown or impossible, naming those that exist.
    """
    try:
        return model.model_validate(dict(options))
    except ValidationError as error:
        faults = "; ".join(
            f"'{'.'.join(map(str, fault['loc']))}' {fault['msg'].lower()}, "
            f"got {fault['input']!r}"
            for fault in error.errors()
        )
        raise ConfigError(
            f"'{setting}' of '{kind}' may be {sorted(model.model_fields)}: {faults}; correct "
            "or remove them."
        ) from error


def plugin_section(group: str, setting: str, default: str | None = None) -> PlainValidator:
    """Return the validator of a section whose keys are those of the plug-in it names.

    Parameters
    ----------
    group
        Group of entry points, whose classes carry their keys as `Options`.
    setting
        Name of the section, for messages.
    default
        Kind of a section that names none.
    """

    def read(tree: Any) -> KindSettings:
        if isinstance(tree, KindSettings):
            return tree
        kind = tree.get("kind", default) if isinstance(tree, Mapping) else None
        if not isinstance(kind, str):
            raise ValueError(f"must be a section with a 'kind', got {tree!r}")
        options: type[KindSettings] = load_plugin(group, kind, f"{setting}.kind").Options
        return options.model_validate({**tree, "kind": kind})

    return PlainValidator(read)
