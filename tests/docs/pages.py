"""Pages of the documentation, and the blocks of code that they show."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
#: Pages outside the site.
BESIDE = ("README.md", "CONTRIBUTING.md", "tests/README.md", "distribution/README.md")
#: Pages that other tests run, because they take minutes.
TUTORIAL = ("tutorial.md", "tutorial-check.md")
FENCE = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)


class Block(NamedTuple):
    """A block of code: its page, its language and its text."""

    page: Path
    language: str
    text: str


def pages() -> list[Path]:
    """Return the pages beside the site and those of it that a person wrote."""
    written = (p for p in DOCS.rglob("*.md") if "_generated" not in p.parts)
    return [*(ROOT / name for name in BESIDE), *sorted(written)]


def name_of(page: Path) -> str:
    """Return the path of a page, relative to the repository."""
    return str(page.relative_to(ROOT))


def blocks(language: str) -> list[Block]:
    """Return all blocks of a language, in the order of the pages."""
    return [
        block for page in pages() for block in _blocks_of(page) if block.language == language
    ]


def _blocks_of(page: Path) -> Iterator[Block]:
    for language, text in FENCE.findall(page.read_text()):
        yield Block(page, language, text)
