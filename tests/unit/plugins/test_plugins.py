"""Plug-ins are found by name, and their options are checked against the model they carry."""

from importlib.metadata import entry_points
from typing import ClassVar

import pytest
from pydantic import Field

from pvi_hpc.errors import ConfigError
from pvi_hpc.plugins import NoOptions, PluginSettings, Settings, load_choice, read_options

GROUPS = ["pvi_hpc.families", "pvi_hpc.methods"]
INSTALLED = [(group, point) for group in GROUPS for point in entry_points(group=group)]


class Inner(Settings):
    share: float = Field(0.5, description="Share of the iterations.")


class Options(Settings):
    layers: int = Field(4, description="Number of layers.")
    inner: Inner = Inner()


class Choice(PluginSettings):
    group: ClassVar = "pvi_hpc.families"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layer": 3}, "'a.options.layer' is unknown to 'flow': did you mean 'layers'? it r"),
        ({"colour": 3}, "'a.options.colour' is unknown to 'flow': it reads inner, layers; co"),
        ({"layers": "x"}, "got 'x'. ('flow': Number of layers.)"),
        ({"inner": {"shore": 1}}, "'a.options.inner.shore' is unknown to 'flow': did you mea"),
        ({"inner": {"share": "x"}}, "'a.options.inner.share': input should be a valid number"),
        ({"inner": {"share": "x"}}, "('flow': Share of the iterations.)"),
        ({"inner": 3}, "'a.options.inner': input should be a valid dictionary"),
    ],
)
def test_a_wrong_option_is_named_with_what_there_is(options, message):
    with pytest.raises(ConfigError) as error:
        read_options(Options, "a.options", "flow", options)
    assert message in str(error.value)


def test_every_wrong_option_is_named_at_once():
    with pytest.raises(ConfigError, match=r"'a\.layers': .*'a\.kolor' is unknown"):
        read_options(Options, "a", "flow", {"layers": "x", "kolor": 1})


def test_a_plugin_without_options_says_so():
    with pytest.raises(ConfigError, match="unknown to 'plain': it has no options"):
        read_options(NoOptions, "a", "plain", {"layers": 1})


@pytest.mark.parametrize("declared", [None, dict, NoOptions()])
def test_a_plugin_must_declare_its_options(monkeypatch, declared):
    class Plugin:
        Options = declared

    monkeypatch.setattr("pvi_hpc.plugins.choice.load_plugin", lambda *_: Plugin)
    with pytest.raises(ConfigError, match=r"'a.kind: odd' is a plug-in that must have .*NoOp"):
        load_choice(Choice(kind="odd"), "a")


@pytest.mark.parametrize(("group", "point"), INSTALLED, ids=lambda value: str(value))
def test_every_option_says_what_it_means_and_every_number_its_unit(group, point):
    for name, field in described(point.load().Options):
        assert field.description and field.description.endswith((".", ")")), name
        extra = field.json_schema_extra or {}
        counts = "seed" in name or not number(field.annotation)
        assert counts or extra.get("unit"), f"{name} needs json_schema_extra={{'unit': ...}}"


def described(model):
    for name, field in model.model_fields.items():
        yield name, field
        if isinstance(field.annotation, type) and issubclass(field.annotation, Settings):
            yield from described(field.annotation)


def number(annotation):
    return any(kind in str(annotation) for kind in ("int", "float"))
