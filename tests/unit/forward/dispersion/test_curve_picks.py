"""Tables of dispersion: CSV and SURF96, what they mean, and what is refused."""

import os
from pathlib import Path

import numpy as np
import pytest

from pvi_hpc.errors import SurveyError
from pvi_hpc.forward.dispersion.picks import read_dispersion

DATA = Path(os.environ.get("PVI_DATA", Path(__file__).parents[5].parent / "shared" / "data"))
CSV = """wave, velocity, mode, period_s, velocity_m_s, sd_m_s
rayleigh, phase, 0, 10, 3100, 20
Love, group, 1, 4, , 30

rayleigh, group, 0, 12, 2900,
"""
SURF96 = """
SURF96 R C X  0       22.44     3.70140     0.12020     8.5093
SURF96 L U T 2 8.5 3.1 0.05
"""


def read(folder, text):
    (folder / "picks.txt").write_text(text)
    return read_dispersion(folder / "picks.txt")


def test_a_table_gives_waves_modes_and_velocities(tmp_path):
    picks = read(tmp_path, CSV)
    assert picks.wave.tolist() == [0, 1, 0]
    assert picks.group.tolist() == [0, 1, 1]
    assert picks.mode.tolist() == [0, 1, 0]
    np.testing.assert_array_equal(picks.value, [3100, np.nan, 2900])
    np.testing.assert_array_equal(picks.noise_sd, [20, 30, np.nan])
    assert np.isnan(picks.place).all()


def test_surf96_is_in_kilometres_per_second(tmp_path):
    picks = read(tmp_path, SURF96)
    assert picks.wave.tolist() == [0, 1]
    assert picks.group.tolist() == [0, 1]
    assert picks.mode.tolist() == [0, 2]
    np.testing.assert_allclose(picks.period, [22.44, 8.5])
    np.testing.assert_allclose(picks.value, [3701.4, 3100])
    np.testing.assert_allclose(picks.noise_sd, [120.2, 50])


def test_the_real_curve_is_read_whole():
    file = DATA / "dispersion_real" / "nnall.dsp"
    if not file.is_file():
        pytest.skip(f"no {file}; set PVI_DATA to the folder of test data")
    picks = read_dispersion(file)
    assert np.bincount(picks.group).tolist() == [371, 65]
    assert not picks.wave.any()
    assert not picks.mode.any()
    assert 2000 < picks.value.min() < picks.value.max() < 5000
    assert picks.noise_sd.min() > 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must have a line for each pick"),
        ("wave,period_s\n", "must have a column 'velocity'"),
        ("wave,velocity,period_s\n", "must have a line for each pick below"),
        ("wave,velocity,period_s\nstoneley,phase,3\n", "'wave' must be rayleigh or love"),
        ("wave,velocity,period_s\nlove,phase,3\nlove,phase\n", "line 3: must have 3 values"),
        ("wave,velocity,period_s\nlove,phase,0\n", "the period must be positive, got 0"),
        ("wave,velocity,period_s,mode\nlove,phase,1,-1\n", "the mode must be 0"),
        ("wave,velocity,period_s,velocity_m_s\nlove,phase,1,x\n", "must be a number, got 'x'"),
        ("SURF96 R C X 0 1.0 3.0 0\n", "the error must be positive, got 0"),
        ("SURF96 R G X 0 1.0 3.0 0.1\n", "the velocity must be C or U, got 'G'"),
        ("SURF96 R C X 0 1.0 3.0\n", "line 1: must be 'SURF96 wave"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, message):
    with pytest.raises(SurveyError, match=message):
        read(tmp_path, text)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(SurveyError, match="must be a text file that can be read"):
        read_dispersion(tmp_path / "none.csv")
