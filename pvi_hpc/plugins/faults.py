"""Sentences about settings that pydantic finds wrong."""

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from reprlib import Repr
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from pvi_hpc.errors import ConfigError
from pvi_hpc.plugins.settings import Settings

__all__ = ["describe_fault", "read_options"]

#: Longest text of a value in a message [characters].
SHOWN: Final = 200

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
    written = _shown(value)
    if fault["type"] == "extra_forbidden":
        return f"'{where}' is unknown (got {written}); correct the spelling or remove it."
    if fault["type"] == "missing":
        return f"'{where}' is missing; add it (see config/README.md)."
    message = fault["msg"].removeprefix("Value error, ")
    shown = f", got {written}" if not isinstance(value, dict) and "got" not in message else ""
    return f"'{where}': {message[:1].lower() + message[1:]}{shown}."


def _shown(value: object) -> str:
    """Return a value as text of a bounded length."""
    short = Repr()
    short.maxstring = short.maxother = SHOWN
    text = short.repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


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
