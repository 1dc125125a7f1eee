"""Write what is generated from settings and plug-ins: the JSON schema and the key list."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pvi_hpc.config import Project
from pvi_hpc.config.reference import (
    GROUPS,
    PluginRow,
    describe_options,
    describe_plugins,
    type_text,
)
from pvi_hpc.plugins import PluginSettings

ROOT = Path(__file__).parents[1]
SCHEMA = ROOT / "workflow" / "schemas" / "project.schema.json"
KEYS = ROOT / "config" / "README.md"

HEADER = """\
# Configuration

One YAML file a project. Unknown keys are errors; `pvi check FILE` says what is wrong, what
the run will cost and whether it fits. `pvi init FILE` writes a commented file to start from.

| file | what |
|---|---|
| `demo.yaml` | what `make demo` runs: a small synthetic survey, mean field and PSVI |
| `correlated.yaml` | the same survey with a prior of correlated cells |
| `calibrate3d.yaml` | what `pvi calibrate` inverts many times: a small survey |
| `amortised.yaml` | travel times through few cells, whose posterior is learnt |
| `circle.yaml` | travel times about a slow disc, with rays that bend; 441 velocities |
| `overthrust3d.yaml` | the acceptance survey: SEG-Y made with another solver |

- The file is UTF-8. A key that stands twice is an error. So are `yes`, `no`, `on`, `off`, times
  such as `12:30:00` and numbers with leading zeros, unless they are in quotes: programs differ
  in what they mean.
- Paths are relative to the directory the run is started in; `$NAME` and `~` are expanded.
- All axes and triples are in the order `(z, y, x)`, z downwards, SI units in the names.
- `runs` is a list of names and of what differs from the sections above it, for example
  `{name: psvi, inference: {family: {kind: structured}}}`. All runs share `grid` and `survey`.
- A begun run refuses to go on with other settings. `posterior`, `report`, `segments` and
  `execution` may change, but of `execution` neither `shots_per_task` nor `ranks`: they
  change rounding, and a resumed run would not be bitwise the same.

The list below and `workflow/schemas/project.schema.json` are generated
(`python scripts/schema.py`); editors with a YAML language server can use the schema.
"""


def schema_text() -> str:
    """Return the JSON schema of a configuration file, with the options of each plug-in."""
    schema = Project.model_json_schema()
    for choice in PluginSettings.__subclasses__():
        node = schema["$defs"].get(choice.__name__)
        if node is not None and choice.__module__.startswith("pvi_hpc."):
            _add_choices(node, schema["$defs"], choice.group.removeprefix("pvi_hpc."))
    return json.dumps(schema, indent=1, sort_keys=True) + "\n"


def _add_choices(node: dict[str, Any], definitions: dict[str, Any], group: str) -> None:
    """Let an editor complete `kind`, and `options` once it knows the kind.

    Kinds of other packages stay allowed, with any options.
    """
    rows = _own(group)
    kind = node["properties"]["kind"]
    names = [row.name for row in rows]
    kind["anyOf"] = [{"enum": names}, {"type": kind.pop("type")}]
    node["allOf"] = []
    for row in rows:
        if row.options is None:
            continue
        options = row.options.model_json_schema()
        definitions |= options.pop("$defs", {})
        name = row.options.__name__
        if definitions.setdefault(name, options) != options:
            raise ValueError(f"two models of options are called {name}")
        # Without `kind` it is the default.
        required = [] if row.name == kind.get("default") else ["kind"]
        node["allOf"].append(
            {
                "if": {"properties": {"kind": {"const": row.name}}, "required": required},
                "then": {"properties": {"options": {"$ref": f"#/$defs/{name}"}}},
            }
        )


def _own(group: str) -> list[PluginRow]:
    """Return the plug-ins of this package."""
    return [row for row in describe_plugins(group) if not row.package]


def keys_text() -> str:
    """Return the list of all keys as Markdown."""
    schema = Project.model_json_schema()
    definitions = schema["$defs"]
    lines = [HEADER]
    for title, node in _sections([("Project", schema), *sorted(definitions.items())]):
        lines += [f"## {title}", "", node.get("description", "").replace("\n", " "), ""]
        if "anyOf" in node:
            kinds = [_title(kind) for kind in node["anyOf"]]
            lines += [", ".join(f"[{kind}](#{kind.lower()})" for kind in kinds)]
        else:
            lines += ["| key | what it is | default |", "|---|---|---|", *_rows(node)]
        lines.append("")
    for group, setting in GROUPS.items():
        lines += list(_plugins(group, setting))
    return "\n".join(lines)


def _sections(nodes: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    """Yield title and schema of each section, one for every kind of what has kinds."""
    for title, node in nodes:
        yield title, node
        # Kinds that share models of values are among the nodes already.
        kinds = [kind for kind in node.get("anyOf", ()) if "$ref" not in kind]
        yield from ((_title(kind), kind) for kind in kinds)


def _title(node: dict[str, Any]) -> str:
    """Return the name of a schema, or of the one that it refers to."""
    return str(node["title"] if "title" in node else node["$ref"].rsplit("/", 1)[1])


def _plugins(group: str, setting: str) -> Iterator[str]:
    """Yield the plug-ins of a kind, then the options of each."""
    rows = _own(group)
    if not rows:
        return
    title = group.replace("_", " ").capitalize()
    yield from [f"## {title}", "", f"Plug-ins that `{setting}` chooses from.", ""]
    yield from [f"| {setting.rsplit('.', 1)[1]} | what it is |", "|---|---|"]
    for row in rows:
        yield f"| `{row.name}` | {row.line} |"
    yield ""
    for row in rows:
        options = describe_options(row.options) if row.options is not None else []
        if not options:
            continue
        yield from [f"### Options of `{row.name}`", ""]
        yield from ["| option | what it is | unit | default |", "|---|---|---|---|"]
        for o in options:
            default = "**required**" if o.default == "required" else f"`{o.default}`"
            yield f"| `{o.name}` | {o.type}: {o.meaning} | {o.unit} | {default} |"
        yield ""


def _rows(node: dict[str, Any]) -> Iterator[str]:
    required = node.get("required", [])
    for key, value in node["properties"].items():
        default = "**required**" if key in required else f"`{json.dumps(value.get('default'))}`"
        if len(default) > 60:
            default = "see there"
        text = value.get("description", "")
        kind = type_text(value, lambda name: f"[{name}](#{name.lower()})", "`")
        yield f"| `{key}` | {kind}{': ' + text if text else ''} | {default} |"


if __name__ == "__main__":
    SCHEMA.write_text(schema_text())
    KEYS.write_text(keys_text())
