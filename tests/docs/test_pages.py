"""Pages are short, and what pages and programs name exists."""

import re

import pytest
from pages import DOCS, ROOT, name_of, pages

#: A page has one subject.
LONGEST = 125
PAGE = re.compile(r"docs/[\w/-]+\.md")
FILE = re.compile(
    r"`((?:pvi_hpc|tests|benchmarks|scripts|config|solvers|workflow)/[\w./{},-]+)`"
)
TEST = re.compile(r"`(test_\w+\.py)`")
READERS = (
    "pvi_hpc",
    "scripts",
    "benchmarks",
    "workflow",
    "config",
    "cluster_profiles",
    "solvers",
)
TEXTS = {".py", ".yaml", ".md", ".json", ".smk", ".toml", ".sh", ".h", ".c"}


def alternatives(path):
    """Return the paths that `a/{b,c}.py` stands for."""
    found = re.match(r"(.*)\{(.*)\}(.*)", path)
    if found is None:
        return [path]
    return [found[1] + middle + found[3] for middle in found[2].split(",")]


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_a_page_is_short(page):
    prose = re.sub(r"```\{toctree\}.*?```", "", page.read_text(), flags=re.DOTALL)
    assert len(prose.splitlines()) <= LONGEST


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_files_that_a_page_names_exist(page):
    text = page.read_text()
    for named in FILE.findall(text):
        for path in alternatives(named):
            mine = path.startswith("config/mine")
            assert mine or (ROOT / path).exists() or list(ROOT.glob(path)), path
    tests = {path.name for path in (ROOT / "tests").rglob("test_*.py")}
    assert set(TEST.findall(text)) <= tests


def test_pages_that_programs_name_exist():
    paths = [
        ROOT / name for name in ("README.md", "CHANGELOG.md", "pyproject.toml", "Makefile")
    ]
    for folder in READERS:
        paths += [p for p in (ROOT / folder).rglob("*") if p.suffix in TEXTS]
    named = {(name, p) for p in paths for name in PAGE.findall(p.read_text())}
    assert named
    assert not [f"{p}: {name}" for name, p in named if not (ROOT / name).exists()]


def test_pictures_are_small_and_used():
    text = "".join(page.read_text() for page in pages())
    for picture in (DOCS / "images").glob("*"):
        assert picture.stat().st_size < 150_000, picture.name
        assert picture.name in text
