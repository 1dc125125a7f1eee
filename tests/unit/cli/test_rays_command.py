"""`pvi rays`: from a table of picks to the files of a configuration."""

import numpy as np
import pytest
import yaml
from scipy.sparse import load_npz
from typer.testing import CliRunner

from pvi_hpc.cli.app import app
from pvi_hpc.config.load import load_project
from pvi_hpc.errors import SurveyError
from pvi_hpc.forward.linear.problem import read_jacobian
from pvi_hpc.forward.linear.settings import LinearSettings

PICKS = """source_station,receiver_station,travel_time_s,sd_s
A,B,9.0,0.1
A,C,0,
B,C,12.0,0.2
"""
STATIONS = "station,y_m,x_m\nA,0,0\nB,0,30\nC,40,0\n"


@pytest.fixture
def config(tmp_path):
    files = {
        name: str(tmp_path / "out" / f"{name}.npy") for name in ("travel_times", "noise_sd")
    }
    tree = {
        "name": "rays",
        "grid": {"shape": [1, 5, 4], "spacing_m": 10},
        "forward": {
            "kind": "linear",
            "jacobian": {"file": str(tmp_path / "out" / "jacobian.npz")},
            "data": files["travel_times"],
            "noise_sd": files["noise_sd"],
        },
        "prior": {"kind": "normal", "depth_m": [0], "mean_m_s": [0.3], "sd_m_s": [0.1]},
        "inference": {"iterations": 1},
    }
    (tmp_path / "rays.yaml").write_text(yaml.safe_dump(tree))
    (tmp_path / "picks.csv").write_text(PICKS)
    (tmp_path / "stations.csv").write_text(STATIONS)
    return tmp_path / "rays.yaml"


def test_picks_become_the_files_that_the_configuration_names(config, tmp_path):
    words = ["rays", str(tmp_path / "picks.csv"), str(config), str(tmp_path / "out")]
    said = CliRunner().invoke(app, [*words, "--stations", str(tmp_path / "stations.csv")])
    assert said.exit_code == 0, said.output
    assert "2 of 3 picks are there" in said.output
    assert "mean slowness 0.2625 s/m" in said.output
    run = load_project(config).resolved[0]
    assert isinstance(run.forward, LinearSettings)
    jacobian = read_jacobian(run.forward, run.grid.grid)
    np.testing.assert_allclose(jacobian.sum(axis=1), [30, 40, 50])
    np.testing.assert_array_equal(np.load(run.forward.data), [9, np.nan, 12])
    np.testing.assert_array_equal(np.load(run.forward.noise_sd)[[0, 2]], [0.1, 0.2])
    assert load_npz(tmp_path / "out" / "jacobian.npz").shape == (3, 20)


def test_a_table_that_cannot_be_used_writes_nothing(config, tmp_path):
    words = ["rays", str(tmp_path / "picks.csv"), str(config), str(tmp_path / "out")]
    said = CliRunner().invoke(app, words)
    assert isinstance(said.exception, SurveyError)
    assert not (tmp_path / "out").exists()
