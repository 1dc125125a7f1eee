"""Bad input is one clear message and a non-zero exit code, before anything runs."""

import numpy as np
import pytest
import segyio

from pvi_hpc.cli.steps import check_config
from pvi_hpc.data.survey_file import read_survey
from pvi_hpc.data.trace_files.segy import write_segy
from pvi_hpc.errors import PviError


def changed(tree, section, **changes):
    return {section: {**tree[section], **changes}}


CASES = {
    "unknown key": ({"inference": {"iterations": 6, "sampels": 2}}, "'inference.sampels'"),
    "missing key": ({"prior": {"kind": "uniform"}}, "'prior.lower_m_s' is missing"),
    "grid too coarse": ({"forward": {"min_points_per_wavelength": 6}}, "points per wavelength"),
    "time step": ({"grid": {"shape": [10, 12, 12], "spacing_m": [20, 60, 60]}}, "time step"),
    "receivers outside": (
        {"grid": {"shape": [10, 12, 12], "spacing_m": 60, "origin_m": [0, 300, 0]}},
        "origin_m",
    ),
    "unknown family": (
        {"inference": {"iterations": 6, "family": {"kind": "flow"}}, "runs": [{"name": "a"}]},
        "flow",
    ),
}


@pytest.fixture
def refusal(project, monkeypatch, capsys):
    """Return what `pvi check` says of the project, which it must refuse."""

    def check():
        monkeypatch.chdir(project.folder)
        with pytest.raises(PviError) as error:
            check_config("tiny.yaml", None, None)
        return f"{capsys.readouterr().out}\n{error.value}"

    return check


@pytest.mark.parametrize("case", CASES)
def test_check_refuses_what_cannot_work(project, refusal, case):
    changes, words = CASES[case]
    project.write(**changes)
    assert words in refusal()
    assert not (project.folder / "results").exists()


@pytest.mark.slow
@pytest.mark.parametrize("case", ["missing key", "time step"])
def test_commands_refuse_before_anything_runs(project, case):
    """One is found by the reading of the file, the other one by the first job."""
    changes, words = CASES[case]
    project.write(**changes)
    assert words in project.call("check", "tiny.yaml", code=2)
    process = project.start("run", "tiny.yaml")
    text, _ = process.communicate(timeout=300)
    assert process.returncode != 0 and words in text
    assert not list(project.folder.glob("results/*/*/checkpoints"))


@pytest.fixture
def segy(project, finished):
    """The tiny project, with its own survey as SEG-Y."""
    survey = read_survey(finished.results / "survey.h5")
    path = project.folder / "survey.sgy"
    write_segy(survey, path)
    wavelet = {"ricker": {"peak_hz": 4, "delay_s": 0.3}}
    project.write(
        survey={"format": "segy", "files": [path.name], "noise_sd": 1e-3, "wavelet": wavelet}
    )
    return path


@pytest.mark.slow
def test_segy_goes_through_check(project, segy):
    assert "all 2 sources" in project.call("check", "tiny.yaml")


@pytest.mark.slow
def test_a_truncated_file_is_named(refusal, segy):
    segy.write_bytes(segy.read_bytes()[:-100])
    text = refusal()
    assert "survey.sgy" in text and "truncated" in text


@pytest.mark.slow
def test_nan_traces_are_named(refusal, segy):
    with segyio.open(segy, "r+", ignore_geometry=True) as file:
        trace = file.trace[4]
        trace[7] = np.nan
        file.trace[4] = trace
    text = refusal()
    assert "survey.sgy" in text and ("NaN" in text or "finite" in text)


@pytest.mark.slow
def test_a_wavelet_of_another_interval_is_refused_with_the_remedy(project, refusal, segy):
    t = np.arange(0, 0.6, 0.002)
    np.savetxt(project.folder / "w.txt", np.column_stack([t, np.sin(20 * t) * np.exp(-9 * t)]))
    survey = {**project.tree["survey"], "wavelet": {"file": "w.txt"}}
    project.write(survey=survey)
    assert "resample" in refusal()


def test_init_writes_a_configuration_that_check_understands(project):
    project.pvi("init", "new.yaml")
    assert "exists" in project.pvi("init", "new.yaml", code=2)
    # Its data do not exist: that, and nothing about the keys, is what check says.
    assert "data/" in project.pvi("check", "new.yaml", code=2)
