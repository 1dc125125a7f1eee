"""The page of the command line, written from the commands themselves."""

import re
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from typer.cli import get_docs_for_click
from typer.core import TyperGroup
from typer.main import get_command

from pvi_hpc.cli.app import app as pvi

LIST = re.compile(r"\*\*Commands\*\*:\n\n(\* .*\n)+")
PAGE = Path("_generated") / "cli.md"


def commands_text() -> str:
    """Return all commands of `pvi` with their arguments and options, as Markdown."""
    command = get_command(pvi)
    assert isinstance(command, TyperGroup)
    with command.make_context("pvi", ["--version"], resilient_parsing=True) as context:
        text = get_docs_for_click(obj=command, ctx=context, name="pvi", title="Commands")
    # The list of commands cuts their descriptions short; a section of each command follows.
    text = LIST.sub("", text)
    # The text is included into a page that has a title: its own headings go one level down.
    lines = [f"#{line}" if line.startswith("#") else line for line in text.splitlines()]
    return "\n".join(lines) + "\n"


def _write(app: Sphinx) -> None:
    page = Path(app.srcdir) / PAGE
    page.parent.mkdir(exist_ok=True)
    page.write_text(commands_text())


def setup(app: Sphinx) -> dict[str, Any]:
    """Write the text before pages are read."""
    app.connect("builder-inited", _write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
