"""The layers that the documentation shows are those that the linter enforces."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[3]


def enforced() -> list[set[str]]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    (contract,) = (c for c in settings["contracts"] if c["type"] == "layers")
    return [set(line.split(" | ")) for line in contract["layers"]]


def documented() -> list[set[str]]:
    (page,) = (ROOT / "docs").rglob("architecture.md")
    cells = [line.split("|")[1] for line in page.read_text().splitlines() if line[:3] == "| `"]
    rows = [set(re.findall(r"`(\w+)`", cell)) for cell in cells]
    rooms = {path.stem for path in (ROOT / "pvi_hpc").iterdir()}
    return [row for row in rows if row and row <= rooms]


def test_the_table_of_layers_is_what_lint_enforces():
    assert documented() == enforced()


def test_every_room_has_a_layer():
    names = {path.stem for path in (ROOT / "pvi_hpc").glob("*") if path.suffix in ("", ".py")}
    hidden = {name for name in names if name.startswith("_")}
    assert set.union(*enforced()) == names - hidden
