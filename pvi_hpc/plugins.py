"""Plug-ins, found by name through entry points, and the settings that each of them reads."""

import os
import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    ValidationError,
)

from pvi_hpc.errors import ConfigError

__all__ = [
    "Axes",
    "Counts",
    "Depths",
    "Name",
    "NoOptions",
    "PathName",
    "PluginSettings",
    "Seed",
    "Settings",
    "Values",
    "describe_fault",
    "load_choice",
    "load_plugin",
    "options_of",
    "read_options",
]


class Settings(BaseModel):
    """Reject unknown keys, NaN and infinity; forbid mutation."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class NoOptions(Settings):
    """The options of a plug-in that has none."""


class PluginSettings(Settings):
    """The choice of a plug-in by its name, and the options of that plug-in.

    A subclass names the group of entry points and gives `kind` a description. The options are
    checked where the plug-in is loaded (`load_choice`), because only the plug-in knows them.
    """

    #: Group of entry points, such as `pvi_hpc.families`.
    group: ClassVar[str]

    kind: str
    options: dict[str, Any] = Field({}, description="Options of that kind.")


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


def load_plugin(group: str, name: str, setting: str) -> Any:
    """Return what the entry point `name` of `group` points to.

    Parameters
    ----------
    group
        Group of entry points, such as `pvi_hpc.priors`.
    name
        What the user wrote.
    setting
        Where the user wrote it, for the message.

    Raises
    ------
    ConfigError
        If there is no such entry point, or it cannot be imported.
    """
    found = entry_points(group=group)
    if name not in found.names:
        known = ", ".join(sorted(found.names)) or "none: install the package, 'make setup'"
        near = get_close_matches(name, found.names, n=1)
        hint = f"; did you mean '{near[0]}'?" if near else "."
        raise ConfigError(
            f"'{setting}' must be one of those installed ({known}), got '{name}'{hint}"
        )
    try:
        return found[name].load()
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f"'{setting}: {name}' points to '{found[name].value}', which cannot be imported: "
            f"{error}. Reinstall the package that provides it."
        ) from error


def load_choice(choice: PluginSettings, setting: str) -> tuple[Any, Any]:
    """Return the plug-in that a user has chosen, and its options, a checked `Options`.

    Parameters
    ----------
    choice
        Name and options, as the user wrote them.
    setting
        Place where the user wrote them, such as `inference.family`.

    Raises
    ------
    ConfigError
        If there is no such plug-in, it declares no options, or one of them is wrong.
    """
    plugin = load_plugin(choice.group, choice.kind, f"{setting}.kind")
    model = options_of(plugin, f"{setting}.kind: {choice.kind}")
    return plugin, read_options(model, f"{setting}.options", choice.kind, choice.options)


def options_of(plugin: Any, choice: str) -> type[Settings]:
    """Return the model of the options that a plug-in reads.

    Raises
    ------
    ConfigError
        If the plug-in has none; `choice` is what the user wrote to get it.
    """
    model = getattr(plugin, "Options", None)
    if not (isinstance(model, type) and issubclass(model, Settings)):
        raise ConfigError(
            f"'{choice}' is a plug-in that must have a class attribute 'Options', a subclass "
            f"of 'pvi_hpc.plugins.Settings', got {model!r}; its author can write "
            "'Options = NoOptions' if there are none."
        )
    return model


Options = TypeVar("Options", bound=Settings)


def read_options(
    model: type[Options], setting: str, kind: str, options: Mapping[str, Any]
) -> Options:
    """Return `options` as `model`.

    Parameters
    ----------
    model
        Model of the options that the plug-in reads.
    setting, kind
        Place where the user wrote the options, and the plug-in's name, for the message.
    options
        Options as the user wrote them.

    Raises
    ------
    ConfigError
        If one is unknown or impossible, naming those that exist.
    """
    try:
        return model.model_validate(dict(options))
    except ValidationError as error:
        faults = [_describe_option(model, fault, setting, kind) for fault in error.errors()]
        raise ConfigError(" ".join(dict.fromkeys(faults))) from error


def describe_fault(fault: Any, prefix: str = "") -> str:
    """Return one sentence about a fault that pydantic found; `prefix` begins its place."""
    where = prefix + ".".join(_place(fault)) or "(top level)"
    value = fault.get("input")
    if fault["type"] == "extra_forbidden":
        return f"'{where}' is unknown (got {value!r}); correct the spelling or remove it."
    if fault["type"] == "missing":
        return f"'{where}' is missing; add it (see config/README.md)."
    message = fault["msg"].removeprefix("Value error, ")
    shown = f", got {value!r}" if not isinstance(value, dict) and "got" not in message else ""
    return f"'{where}': {message[:1].lower() + message[1:]}{shown}."


def _place(fault: Any) -> list[str]:
    """Return the names of a fault's place, without the branches of unions among them."""
    return [str(p) for p in fault["loc"] if re.fullmatch(r"[a-z_0-9]+", str(p))]


def _describe_option(model: type[Settings], fault: Any, setting: str, kind: str) -> str:
    """Return a sentence about a wrong option: what there is instead, or what it means."""
    *parents, name = _place(fault) or ["(all)"]
    fields = _fields(model, parents)
    if fault["type"] == "extra_forbidden":
        where = ".".join([setting, *parents, name])
        near = get_close_matches(name, fields, n=1)
        hint = f"did you mean '{near[0]}'? " if near else ""
        known = f"it reads {', '.join(sorted(fields))}" if fields else "it has no options"
        return f"'{where}' is unknown to '{kind}': {hint}{known}; correct or remove it."
    sentence = describe_fault(fault, f"{setting}.")
    field = fields.get(name) or _fields(model, []).get(parents[0] if parents else name)
    meaning = field.description if field is not None else None
    return f"{sentence} ('{kind}': {meaning})" if meaning else sentence


def _fields(model: type[BaseModel], parents: Sequence[str]) -> Mapping[str, Any]:
    """Return the fields of the model that lies in `model` at the place `parents`."""
    for name in parents:
        inner = model.model_fields[name].annotation if name in model.model_fields else None
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return {}
        model = inner
    return model.model_fields
