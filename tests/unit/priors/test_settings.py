"""The section `prior`: keys of every kind, and of one kind."""

import pytest
from pydantic import PositiveFloat, ValidationError

from pvi_hpc.grid import Grid
from pvi_hpc.plugins import choice as module
from pvi_hpc.priors import PriorSettings
from pvi_hpc.priors.correlations.cell_files import files_of
from pvi_hpc.priors.uniform import UniformSettings

UNIFORM = {"kind": "uniform", "depth_m": [0], "lower_m_s": [1500], "upper_m_s": [3000]}


class ConstantSettings(PriorSettings):
    """Keys of a prior that somebody else wrote."""

    speed_m_s: PositiveFloat
    spread: float = 0.1


class Constant:
    """As much of a prior as its settings need."""

    Options = ConstantSettings


@pytest.fixture
def plugin(monkeypatch):
    found = module.load_plugin
    monkeypatch.setattr(
        module, "load_plugin", lambda group, name, *where: (
            Constant if name == "constant" else found(group, name, *where)
        )
    )  # fmt: skip


def test_the_settings_are_those_of_the_kind():
    assert isinstance(PriorSettings.model_validate(UNIFORM), UniformSettings)


def test_settings_stay_what_they_are():
    chosen = PriorSettings.model_validate(UNIFORM)
    assert PriorSettings.model_validate(chosen) is chosen
    assert PriorSettings.model_validate(chosen.model_dump()) == chosen


@pytest.mark.usefixtures("plugin")
def test_a_prior_of_a_plugin_has_keys_of_its_own():
    tree = {"kind": "constant", "speed_m_s": 2000, "fixed_above_m": 60}
    chosen = PriorSettings.model_validate(tree)
    assert isinstance(chosen, ConstantSettings)
    assert chosen.cells(Grid((4, 2, 3), (50.0, 50.0, 50.0))).n == 2 * 6
    with pytest.raises(ValidationError) as fault:
        PriorSettings.model_validate({**tree, "sped_m_s": 3, "speed_m_s": -1})
    first, second = fault.value.errors()
    assert (first["loc"], first["type"]) == (("speed_m_s",), "greater_than")
    assert second["loc"] == ("sped_m_s",)
    assert "which has kind, fixed_above_m, speed_m_s, spread;" in second["msg"]


@pytest.mark.usefixtures("plugin")
def test_another_kind_takes_over_the_keys_it_has_but_no_default():
    full = PriorSettings.model_validate(
        {"kind": "constant", "speed_m_s": 2000, "fixed_above_m": 60}
    )
    assert PriorSettings.keys_of_kind(full.model_dump(), "uniform") == {
        "kind": "constant",
        "fixed_above_m": 60,
    }
    assert PriorSettings.keys_of_kind({**UNIFORM, "fixed_above_m": None}, "constant") == {
        "kind": "uniform"
    }


def test_the_files_that_a_prior_is_made_from_are_known():
    tree = {
        "kind": "whittle_matern",
        "length_m": [{"file": "z.npy"}, 30.0, {"depth_m": [0], "values": [3]}],
        "dip_deg": {"file": "dip.h5"},
        "lower_m_s": {"file": "low.npy"},
        "upper_m_s": [5000],
    }
    settings = PriorSettings.model_validate(tree)
    assert sorted(map(str, files_of(settings))) == ["dip.h5", "low.npy", "z.npy"]
