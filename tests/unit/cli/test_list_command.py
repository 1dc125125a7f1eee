"""`pvi list` shows every plug-in, and of one every option."""

from importlib.metadata import entry_points

import pytest

from pvi_hpc.cli.plugins import list_plugins
from pvi_hpc.config.reference import GROUPS
from pvi_hpc.errors import ConfigError


def text(*arguments):
    return "\n".join(list_plugins(*(*arguments, None, None)[:2]))


def test_every_installed_plugin_is_listed_with_a_line():
    lines = text().splitlines()
    for group in GROUPS:
        for name in entry_points(group=f"pvi_hpc.{group}").names:
            assert any(line.split()[:1] == [name] and len(line.split()) > 3 for line in lines)
    assert "Cannot be used" not in text()


def test_one_kind_is_listed_alone():
    assert "svgd" in text("methods") and "mean_field" not in text("methods")


def test_of_one_plugin_every_option_has_type_unit_default_and_meaning(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    shown = text("methods", "ssvgd")
    assert "chosen by: inference.method.kind: ssvgd" in shown
    assert "thinning: integer > 0 [iterations], default 1\n        Iterations bet" in shown
    assert "annealing.cycles: integer > 0 [rises], default 4" in shown
    assert "rank: integer >= 1 [directions], required" in text("families", "low_rank")
    assert "options: none" in text("families", "mean_field")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("famlies",), "must be one of families, methods, .*, got 'famlies'"),
        (("famlies", "planar"), "must be one of families, methods, .*, got 'famlies'"),
        (("families", "structurd"), "got 'structurd'; did you mean 'structured'"),
    ],
)
def test_what_is_not_there_is_refused_with_what_is(arguments, message):
    with pytest.raises(ConfigError, match=message):
        text(*arguments)
