"""Text files of GeoPVI's users become picks and priors with the same numbers."""

import numpy as np
import pytest
import yaml
from run_example import make_run

from pvi_hpc.checks.run import check_run
from pvi_hpc.cli.geopvi import convert
from pvi_hpc.data.picks import read_picks
from pvi_hpc.errors import ConfigError, SurveyError

SOURCES = np.array([[0.1, 0.2], [0.5, 0.3]])
RECEIVERS = np.array([[0.9, 0.8], [0.7, 0.1], [0.15, 0.85]])
#: Straight rays at 2 km/s, with one that was not picked.
TIMES = np.linalg.norm(SOURCES[:, None] - RECEIVERS[None], axis=2) / 2
TIMES[1, 2] = 0


@pytest.fixture
def folder(tmp_path):
    np.savetxt(tmp_path / "sources.txt", SOURCES)
    np.savetxt(tmp_path / "receivers.txt", RECEIVERS)
    np.savetxt(tmp_path / "traveltime.txt", TIMES)
    return tmp_path


def asked(folder, columns="x,y", unit="km", prior=None, depths_m=None):
    return convert(folder, folder / "mine", columns, unit, prior, depths_m)


@pytest.mark.parametrize("change", [lambda t: t, lambda t: t.T, lambda t: t.reshape(-1, 1)])
def test_times_and_positions_come_back_in_metres(folder, change):
    np.savetxt(folder / "traveltime.txt", change(TIMES))
    said = asked(folder)
    picks = read_picks(folder / "mine" / "picks.csv")
    assert (picks.units, len(picks.times)) == ("metres", 5)
    distance = np.linalg.norm(picks.sources - picks.receivers, axis=1)
    np.testing.assert_allclose(picks.times, distance / 2000)
    np.testing.assert_allclose(picks.sources[0], [0, 200, 100])
    assert "Assumed: z of all positions is 0." in said
    assert any("traveltime.txt" in line for line in said if line.startswith("Assumed"))


def test_sections_are_those_of_a_run(folder):
    np.savetxt(folder / "prior.txt", [[1.5, 2.5], [1.6, 2.8]])
    asked(folder, prior="uniform", depths_m="0,100")
    tree = yaml.safe_load((folder / "mine" / "sections.yaml").read_text())
    assert tree["prior"] == {
        "kind": "uniform",
        "depth_m": [0.0, 100.0],
        "lower_m_s": [1500.0, 1600.0],
        "upper_m_s": [2500.0, 2800.0],
    }
    grid = {"shape": [1, 21, 21], "spacing_m": 50}
    forward = {**tree["forward"], "noise_sd_s": 0.01}
    run = make_run(survey=None, grid=grid, forward=forward, prior=tree["prior"])
    assert [f for f in check_run(run) if f.level == "error"] == []


def test_means_and_sds_are_a_normal_prior(folder):
    np.savetxt(folder / "prior.txt", [[2000, 100]])
    asked(folder, unit="m", prior="normal", depths_m="0")
    tree = yaml.safe_load((folder / "mine" / "sections.yaml").read_text())
    assert tree["prior"]["mean_m_s"] == [2000.0] and tree["prior"]["sd_m_s"] == [100.0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"columns": None}, "'--columns' must name the axes"),
        ({"columns": "x,x"}, "different axes"),
        ({"columns": "x,y,z"}, "must have 3 columns"),
        ({"unit": None}, "'--unit' must be m or km"),
        ({"prior": "normal"}, "needs '--prior'"),
        ({"prior": "normal", "depths_m": "0;1"}, "must be numbers with commas"),
        ({"prior": "normal", "depths_m": "0,1"}, "2 numbers for each of 2 depths"),
        ({"prior": "uniform", "depths_m": "0"}, "0 < lower < upper"),
    ],
)
def test_what_no_file_says_must_be_given(folder, options, message):
    np.savetxt(folder / "prior.txt", [[2000, 100]])
    with pytest.raises((ConfigError, SurveyError), match=message):
        asked(folder, **options)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (np.ones((2, 4)), "for each of 2 sources and 3 receivers, got 2 rows of 4"),
        (np.ones((6, 2)), "more columns"),
        (-np.ones((2, 3)), "positive times, or 0"),
        (np.zeros((2, 3)), "at least one pick"),
        (np.full((2, 3), np.nan), "finite numbers"),
    ],
)
def test_tables_that_do_not_fit_are_refused(folder, table, message):
    np.savetxt(folder / "traveltime.txt", table)
    with pytest.raises(SurveyError, match=message):
        asked(folder)
    assert not (folder / "mine" / "sections.yaml").exists()


def test_what_is_not_documented_is_left_out_aloud(folder):
    (folder / "config.ini").write_text("[svgd]\n")
    np.save(folder / "waveform.npy", np.zeros(3))
    np.save(folder / "psvi.npy", np.zeros(3))
    left = [line for line in asked(folder) if line.startswith("Not read: ")]
    assert [line.split()[2] for line in left] == ["config.ini:", "waveform.npy:", "psvi.npy:"]
    assert "square root of dt" in left[1] and "[mu, sigma, offdiags]" in left[2]
    (folder / "traveltime.txt").unlink()
    with pytest.raises(ConfigError, match=r"must hold 'traveltime\.txt' or"):
        asked(folder)


def test_a_file_that_is_missing_or_no_table_is_refused(folder):
    (folder / "sources.txt").write_text("1 2\n3\n")
    with pytest.raises(
        SurveyError, match=r"sources\.txt' must be a text file of rows of numbers"
    ):
        asked(folder)
    (folder / "sources.txt").unlink()
    with pytest.raises(SurveyError, match=r"sources\.txt"):
        asked(folder)
