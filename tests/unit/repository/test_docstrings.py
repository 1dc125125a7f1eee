"""Docstrings of public names begin with a noun or a verb, never with a question word."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
#: A docstring that begins so is a riddle: "Cost of a run" says more than "What a run costs".
QUESTIONS = {"What", "Where", "Which", "Whether", "How"}
Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def public_docstrings(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield name and docstring of a module, and of its public classes and functions."""
    for node in ast.walk(tree):
        if not isinstance(node, Documented):
            continue
        name = getattr(node, "name", "module")
        text = ast.get_docstring(node)
        if text and not name.startswith("_"):
            yield name, text


def questions(source: str) -> list[str]:
    """Return the names in a module whose docstrings begin with a question word."""
    documented = public_docstrings(ast.parse(source))
    return [name for name, text in documented if text.split()[0].strip(",.:") in QUESTIONS]


@pytest.mark.parametrize("package", ["pvi_hpc", "tests", "benchmarks", "scripts"])
def test_no_docstring_begins_with_a_question_word(package):
    paths = sorted((ROOT / package).rglob("*.py"))
    found = [f"{p.relative_to(ROOT)}: {n}" for p in paths for n in questions(p.read_text())]
    assert paths
    assert not found


def test_a_docstring_that_begins_with_a_question_word_is_found():
    source = 'def cost():\n    """What a run costs."""\n\ndef _hidden():\n    """How."""\n'
    assert questions(source) == ["cost"]
