"""Write what is generated from the configuration classes: the JSON schema and the key list."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pvi_hpc.config import Project

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
    """Return the JSON schema of a configuration file."""
    return json.dumps(Project.model_json_schema(), indent=1, sort_keys=True) + "\n"


def keys_text() -> str:
    """Return the list of all keys as Markdown."""
    schema = Project.model_json_schema()
    definitions = schema["$defs"]
    lines = [HEADER]
    for title, node in [("Project", schema), *sorted(definitions.items())]:
        lines += [f"## {title}", "", node.get("description", "").replace("\n", " "), ""]
        lines += ["| key | what it is | default |", "|---|---|---|"]
        lines += list(_rows(node))
        lines.append("")
    return "\n".join(lines)


def _rows(node: dict[str, Any]) -> Iterator[str]:
    required = node.get("required", [])
    for key, value in node["properties"].items():
        default = "**required**" if key in required else f"`{json.dumps(value.get('default'))}`"
        if len(default) > 60:
            default = "see there"
        text = value.get("description", "")
        yield f"| `{key}` | {_type(value)}{': ' + text if text else ''} | {default} |"


def _type(value: dict[str, Any]) -> str:
    if "$ref" in value:
        name = value["$ref"].rsplit("/", 1)[1]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in value:
        return " or ".join(_type(v) for v in value["anyOf"])
    if "enum" in value:
        return " or ".join(f"`{v}`" for v in value["enum"])
    if "const" in value:
        return f"`{value['const']}`"
    return str(value.get("type", "any"))


if __name__ == "__main__":
    SCHEMA.write_text(schema_text())
    KEYS.write_text(keys_text())
