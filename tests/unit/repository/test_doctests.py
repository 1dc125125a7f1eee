"""Examples in docstrings give what they say."""

import doctest
import importlib
from pathlib import Path

import pytest
from declared import ROOT

#: Results are compared as numbers are printed; a long array may be cut by `...`.
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def module_of(path: Path) -> str:
    """Return the name by which a file of the package is imported."""
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    return name.removesuffix(".__init__")


WITH_EXAMPLES = sorted(
    module_of(path)
    for path in (ROOT / "pvi_hpc").rglob("*.py")
    if ">>> " in path.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_the_examples_of_a_module_are_true(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(name)
    assert not doctest.testmod(module, optionflags=OPTIONS).failed, "see what it printed"


def test_a_wrong_example_is_noticed(capsys):
    example = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "wrong", None, 0)
    assert doctest.DocTestRunner(optionflags=OPTIONS).run(example).failed == 1
    assert "Expected:" in capsys.readouterr().out
