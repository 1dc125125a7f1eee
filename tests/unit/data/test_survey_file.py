"""The internal survey file: same content back, same bytes, faults named."""

from dataclasses import replace

import h5py
import numpy as np
import pytest

from pvi_hpc.data.survey import Shot, Survey, Wavelet
from pvi_hpc.data.survey_file import SurveyFile, file_hash, read_survey, write_survey
from pvi_hpc.errors import SurveyError


def make_survey(n_samples=7):
    rng = np.random.default_rng(3)
    shots = []
    for i, n in ((11, 3), (12, 5), (20, 1)):
        data = rng.standard_normal((n, n_samples)).astype(np.float32)
        sd = np.full(n, 0.5)
        sd[-1] = np.inf
        shots.append(Shot(i, rng.random(3), rng.random((n, 3)), data, sd))
    wavelet = Wavelet(rng.standard_normal(4), 0.001)
    return Survey(tuple(shots), wavelet, 0.004, n_samples, {"source": "a test"})


def assert_same_shot(a, b):
    assert a.id == b.id
    for name in ("source", "receivers", "data", "noise_sd"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
        assert getattr(a, name).dtype == getattr(b, name).dtype


def test_a_survey_comes_back_as_it_was(tmp_path):
    survey = make_survey()
    write_survey(survey, tmp_path / "s.h5")
    read = read_survey(tmp_path / "s.h5")
    for a, b in zip(read.shots, survey.shots, strict=True):
        assert_same_shot(a, b)
    np.testing.assert_array_equal(read.wavelet.samples, survey.wavelet.samples)
    assert read.wavelet.dt == survey.wavelet.dt
    assert (read.dt, read.n_samples, read.attributes) == (0.004, 7, {"source": "a test"})


def test_one_shot_is_read_alone(tmp_path):
    survey = make_survey()
    write_survey(survey, tmp_path / "s.h5")
    file = SurveyFile(tmp_path / "s.h5")
    assert (file.n_shots, file.ids, file.has_data) == (3, (11, 12, 20), True)
    assert_same_shot(file.shot(1), survey.shots[1])
    with pytest.raises(SurveyError, match=r"0 to 2.*got 3"):
        file.shot(3)
    with pytest.raises(SurveyError, match=r"0 to 2.*got -1"):
        file.shot(-1)


def test_the_geometry_has_no_data(tmp_path):
    survey = make_survey()
    write_survey(survey, tmp_path / "s.h5")
    geometry = SurveyFile(tmp_path / "s.h5").geometry()
    assert [shot.data.shape for shot in geometry.shots] == [(3, 0), (5, 0), (1, 0)]
    np.testing.assert_array_equal(geometry.shots[1].noise_sd, survey.shots[1].noise_sd)
    write_survey(geometry, tmp_path / "g.h5")
    assert not SurveyFile(tmp_path / "g.h5").has_data
    assert read_survey(tmp_path / "g.h5").shots[1].data.shape == (5, 0)


def test_the_same_survey_has_the_same_hash_and_another_one_has_not(tmp_path):
    survey = make_survey()
    write_survey(survey, tmp_path / "a.h5")
    write_survey(survey, tmp_path / "b.h5")
    data = [shot.data.copy() for shot in survey.shots]
    data[2][0, 0] += 1
    write_survey(survey.with_data(data), tmp_path / "c.h5")
    assert file_hash(tmp_path / "a.h5") == file_hash(tmp_path / "b.h5")
    assert file_hash(tmp_path / "a.h5") != file_hash(tmp_path / "c.h5")


def test_a_survey_with_data_for_some_shots_only_is_refused_and_nothing_written(tmp_path):
    survey = make_survey()
    first = replace(survey.shots[0], data=np.empty((3, 0), np.float32))
    with pytest.raises(SurveyError, match=r"3 shots, 2 with data"):
        write_survey(replace(survey, shots=(first, *survey.shots[1:])), tmp_path / "s.h5")
    assert not any(tmp_path.iterdir())


def test_files_that_are_not_ours_are_named(tmp_path):
    path = tmp_path / "s.h5"
    with pytest.raises(SurveyError, match=r"s\.h5' does not exist"):
        SurveyFile(path)
    path.write_text("no HDF5")
    with pytest.raises(SurveyError, match=r"s\.h5' is not a readable survey file"):
        SurveyFile(path)
    with h5py.File(path, "w"):
        pass
    with pytest.raises(SurveyError, match=r"'format' must be 'pvi_hpc survey', got None"):
        SurveyFile(path)


def test_another_version_and_a_missing_dataset_are_named(tmp_path):
    path = tmp_path / "s.h5"
    write_survey(make_survey(), path)
    with h5py.File(path, "a") as file:
        del file["shots/offset"]
    with pytest.raises(SurveyError, match=r"not a readable survey file.*offset"):
        SurveyFile(path)
    with h5py.File(path, "a") as file:
        file.attrs["version"] = 99
    with pytest.raises(SurveyError, match=r"version 99.*reads version 1"):
        SurveyFile(path)


def test_a_truncated_file_is_named(tmp_path):
    path = tmp_path / "s.h5"
    write_survey(make_survey(), path)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(SurveyError, match=r"not a readable survey file"):
        read_survey(path)
