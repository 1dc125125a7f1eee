"""From a configuration to the survey file and the forward problem of a run."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from run_example import GOOD, make_run

from pvi_hpc.config import Run
from pvi_hpc.data.model_file import write_model
from pvi_hpc.data.survey import Survey
from pvi_hpc.data.survey_file import SurveyFile, file_hash, write_survey
from pvi_hpc.data.trace_files.segy import write_segy
from pvi_hpc.errors import SurveyError
from pvi_hpc.forward.acoustic.setup import AcousticSetup
from pvi_hpc.forward.setup import SimulationSetup
from pvi_hpc.grid import Grid
from pvi_hpc.problem.forward import (
    forward_problem,
    simulation_setup,
    survey_geometry,
    true_model,
)

DATA = Path(os.environ.get("PVI_DATA", Path(__file__).parents[3].parent / "shared" / "data"))


def prepared(run, simulate):
    """Return the survey of a run with its data."""
    return forward_problem(run).prepare(simulate)


def simulate(survey: Survey, model):
    """Stand in for the solver: traces that tell shots and models apart."""
    t = np.arange(survey.n_samples)
    return [
        np.float32(shot.id * model.mean() * np.sin(0.1 * t) * np.ones((len(shot.receivers), 1)))
        for shot in survey.shots
    ]


def never(survey, model):
    raise AssertionError("imported data need no simulation")


def file_run(tmp_path, **changes):
    """Return a run on a SEG-Y file and the survey that is in it."""
    survey = prepared(make_run(), simulate)
    write_segy(survey, tmp_path / "s.sgy")
    settings = {
        "survey__format": "segy",
        "survey__synthetic": None,
        "survey__files": [str(tmp_path / "s.sgy")],
        "survey__noise_sd": 0.25,
        **changes,
    }
    return make_run(**settings), survey


def test_a_synthetic_survey_is_simulated_in_the_true_model_and_has_noise():
    run = make_run()
    survey = prepared(run, simulate)
    clean = simulate(survey, true_model(run))
    rms = np.sqrt(np.mean(np.square(clean, dtype=float)))
    assert survey.shots[0].noise_sd[0] == pytest.approx(0.1 * rms, rel=1e-5)
    residual = survey.shots[3].data - clean[3]
    assert np.std(residual) == pytest.approx(0.1 * rms, rel=0.05)
    assert np.abs(np.mean(residual)) < 0.01 * rms


def test_a_synthetic_survey_can_come_from_a_model_file(tmp_path):
    run = make_run(survey__synthetic__model={"file": str(tmp_path / "m.h5")})
    grid = run.grid.grid
    model = np.full(grid.shape, 2500.0, np.float32)
    write_model(model, grid, tmp_path / "m.h5")
    np.testing.assert_array_equal(true_model(run), model)
    survey = prepared(run, lambda s, m: [m.max() * d for d in simulate(s, m)])
    assert np.abs(survey.shots[0].data).max() > 2500 * 2500
    write_model(model, replace(grid, spacing=(60.0, 50.0, 50.0)), tmp_path / "m.h5")
    with pytest.raises(SurveyError, match=r"'grid\.spacing_m' is \[50"):
        prepared(run, simulate)


def test_a_segy_survey_is_imported_with_its_noise_and_the_solvers_wavelet(tmp_path):
    run, survey = file_run(tmp_path, forward__steps_per_sample=2)
    read = prepared(run, never)
    np.testing.assert_array_equal(read.shots[4].data, survey.shots[4].data)
    assert set(read.shots[4].noise_sd) == {0.25}
    assert read.wavelet.dt == pytest.approx(0.0025)
    assert read.wavelet.samples.shape == (501,)
    assert read.wavelet.samples.argmax() * 0.0025 == pytest.approx(0.36)
    assert true_model(run) is None


def test_noise_is_measured_where_a_window_is_given(tmp_path):
    run, _ = file_run(tmp_path, survey__noise_sd=None, survey__noise_window_s=0.5)
    noise = prepared(run, never).shots[5].noise_sd
    assert noise.min() > 1.0


def test_a_survey_of_our_own_keeps_its_noise_and_wavelet_unless_told_otherwise(tmp_path):
    survey = prepared(make_run(), simulate)
    survey.shots[0].noise_sd[3] = np.inf
    write_survey(survey, tmp_path / "s.h5")
    own: dict[str, Any] = {"survey__format": "hdf5", "survey__synthetic": None}
    own |= {"survey__files": [str(tmp_path / "*.h5")]}
    read = prepared(make_run(survey__wavelet=None, **own), never)
    np.testing.assert_array_equal(read.wavelet.samples, survey.wavelet.samples)
    np.testing.assert_array_equal(read.shots[0].noise_sd, survey.shots[0].noise_sd)

    ricker = {"ricker": {"peak_hz": 2.0, "delay_s": 0.7}}
    read = prepared(make_run(survey__wavelet=ricker, survey__noise_sd=3.0, **own), never)
    assert read.wavelet.samples.argmax() * 0.005 == pytest.approx(0.7)
    assert read.shots[0].noise_sd[2:5].tolist() == [3.0, np.inf, 3.0]

    write_survey(survey, tmp_path / "t.h5")
    with pytest.raises(SurveyError, match=r"must name one file with 'format: hdf5', got 2"):
        prepared(make_run(survey__wavelet=None, **own), never)


def test_the_setup_says_what_the_workers_need(tmp_path):
    run = make_run(forward__steps_per_sample=2, forward__n_pml=7, execution__threads=3)
    write_survey(prepared(run, simulate), tmp_path / "s.h5")
    sent = simulation_setup(run, tmp_path / "s.h5")
    assert sent.survey_hash == file_hash(tmp_path / "s.h5")
    setup = AcousticSetup.from_setup(SimulationSetup.from_json(sent.to_json()))
    solver = setup.solver
    assert solver.dt == pytest.approx(0.0025)
    assert (setup.n_steps, setup.steps_per_sample) == (501, 2)
    assert (solver.n_pml, solver.threads) == (7, 3)
    assert setup.grid == Grid((20, 28, 24), (50.0, 50.0, 50.0))
    assert solver.pml_velocity == 4000
    assert solver.pml_frequency == pytest.approx(3.5, abs=0.1)


def test_the_same_run_gives_the_same_survey_file(tmp_path):
    for name in ("a.h5", "b.h5"):
        write_survey(prepared(Run.model_validate(GOOD), simulate), tmp_path / name)
    assert file_hash(tmp_path / "a.h5") == file_hash(tmp_path / "b.h5")
    other = prepared(make_run(survey__synthetic__seed=2), simulate)
    write_survey(other, tmp_path / "c.h5")
    assert file_hash(tmp_path / "a.h5") != file_hash(tmp_path / "c.h5")


def test_the_independent_survey_is_prepared_with_its_wavelet_resampled():
    folder = DATA / "overthrust3d"
    if not (folder / "survey.sgy").exists():
        pytest.skip(f"no {folder / 'survey.sgy'}; set PVI_DATA to the folder of test data")
    run = make_run(
        grid={"shape": [25, 45, 45], "spacing_m": 60},
        survey={
            "format": "segy",
            "files": [str(folder / "*.sgy")],
            "noise_sd": 4.82e-6,
            "wavelet": {"file": str(folder / "wavelet_2ms.txt"), "resample": True},
            "true_model": {"file": str(folder / "true_model.h5"), "dataset": "vp_60m"},
        },
    )
    survey = survey_geometry(run)
    assert survey.wavelet.dt == pytest.approx(0.004)
    t = 0.004 * np.arange(401)
    u = (np.pi * 5 * (t - 0.24)) ** 2
    np.testing.assert_allclose(survey.wavelet.samples, (1 - 2 * u) * np.exp(-u), atol=1e-6)
    assert true_model(run).shape == (25, 45, 45)


def test_the_documented_layout_is_the_one_that_is_written(tmp_path):
    text = (Path(__file__).parents[3] / "docs" / "reference" / "survey-format.md").read_text()
    write_survey(prepared(make_run(), simulate), tmp_path / "s.h5")
    assert SurveyFile(tmp_path / "s.h5").has_data
    with h5py.File(tmp_path / "s.h5") as file:
        names = [*file.attrs]
        file.visititems(
            lambda name, item: names.append(name) if hasattr(item, "shape") else None
        )
    assert len(names) == 11
    for name in names:
        assert f"`{name}`" in text, name
