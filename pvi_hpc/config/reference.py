"""Description of settings and plug-ins for people: for `pvi list` and config/README.md."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

from pydantic import BaseModel

from pvi_hpc.errors import ConfigError
from pvi_hpc.plugins import Settings, load_plugin

__all__ = [
    "GROUPS",
    "OptionRow",
    "PluginRow",
    "describe_options",
    "describe_plugin",
    "describe_plugins",
    "type_text",
]

#: Kinds of plug-ins, and the setting that chooses one of them. The group of entry points of
#: each is `pvi_hpc.` and its name.
GROUPS: Final[Mapping[str, str]] = {
    "families": "inference.family.kind",
    "methods": "inference.method.kind",
    "priors": "prior.kind",
    "executors": "execution.executor",
    "forward_problems": "forward.kind",
    "questions": "questions.kind",
    "networks": "amortised.network.kind",
}

OWN_PACKAGE: Final = "pvi_hpc"


@dataclass(frozen=True)
class OptionRow:
    """One option: all is text, as people read it; `unit` is empty where there is none."""

    name: str
    type: str
    unit: str
    default: str
    meaning: str


@dataclass(frozen=True)
class PluginRow:
    """One plug-in: name, one line about it, and the package that brought it, if not ours.

    `options` is the model of its options; None where it declares none.
    """

    name: str
    line: str
    package: str
    options: type[Settings] | None


def describe_plugins(group: str) -> list[PluginRow]:
    """Return every installed plug-in of a kind, in the order of their names.

    Raises
    ------
    ConfigError
        If there is no such kind of plug-in.
    """
    _place(group)
    found = sorted(entry_points(group=f"pvi_hpc.{group}"), key=lambda point: point.name)
    return [_row(group, point) for point in found]


def describe_plugin(group: str, name: str) -> PluginRow:
    """Return one plug-in.

    Raises
    ------
    ConfigError
        If there is none of that name, or it cannot be imported.
    """
    place = _place(group)
    load_plugin(f"pvi_hpc.{group}", name, place)
    return _row(group, entry_points(group=f"pvi_hpc.{group}")[name])


def describe_options(model: type[BaseModel]) -> list[OptionRow]:
    """Return every option of a model, those of the models in it after it as `a.b`."""
    schema = model.model_json_schema()
    return list(_options(schema, schema.get("$defs", {}), ""))


def _place(group: str) -> str:
    if group not in GROUPS:
        raise ConfigError(
            f"The kind of plug-in must be one of {', '.join(GROUPS)}, got '{group}'."
        )
    return GROUPS[group]


def _row(group: str, point: EntryPoint) -> PluginRow:
    package = point.dist.name if point.dist is not None else ""
    package = "" if package == OWN_PACKAGE else package
    try:
        plugin = load_plugin(f"pvi_hpc.{group}", point.name, group)
    except ConfigError as fault:
        return PluginRow(point.name, f"Cannot be used: {fault}", package, None)
    line = (plugin.__doc__ or "No description.").strip().splitlines()[0]
    model = getattr(plugin, "Options", None)
    declared = isinstance(model, type) and issubclass(model, Settings)
    return PluginRow(point.name, line, package, model if declared else None)


def _options(
    node: dict[str, Any], definitions: dict[str, Any], prefix: str
) -> Iterator[OptionRow]:
    required = node.get("required", [])
    for key, value in node.get("properties", {}).items():
        inner = definitions.get(value.get("$ref", "").rsplit("/", 1)[-1])
        if inner is not None:
            yield from _options(inner, definitions, f"{prefix}{key}.")
            continue
        default = "required" if key in required else json.dumps(value.get("default"))
        meaning = value.get("description", "").replace("\n", " ")
        yield OptionRow(prefix + key, type_text(value), value.get("unit", ""), default, meaning)


def type_text(value: dict[str, Any], link: Callable[[str], str] = str, quote: str = "") -> str:
    """Return the type of a property of a JSON schema, as people write it.

    `link` is given the name of another model, and returns what is written for it; `quote` is
    put around the words that a user may choose from.
    """
    if "$ref" in value:
        return link(value["$ref"].rsplit("/", 1)[1])
    if branches := value.get("anyOf") or value.get("oneOf"):
        return " or ".join(type_text(v, link, quote) for v in branches)
    if "enum" in value:
        return " or ".join(f"{quote}{v}{quote}" for v in value["enum"])
    if "const" in value:
        return f"{quote}{value['const']}{quote}"
    if "prefixItems" in value:
        return f"[{', '.join(type_text(v, link, quote) for v in value['prefixItems'])}]"
    if "items" in value:
        return f"list of {type_text(value['items'], link, quote)}"
    return str(value.get("type", "any")) + _bounds(value)


def _bounds(value: dict[str, Any]) -> str:
    signs = {"exclusiveMinimum": ">", "minimum": ">=", "exclusiveMaximum": "<", "maximum": "<="}
    found = [f"{sign} {value[key]:g}" for key, sign in signs.items() if key in value]
    return f" {' and '.join(found)}" if found else ""
