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


def by_hand(path, **changes):
    """Write a survey as another program would, with datasets and attributes replaced."""
    data = {
        "wavelet": np.hanning(60), "shots/id": [1, 2],
        "shots/source": [[90.0, 150, 330], [90, 510, 330]], "shots/offset": [0, 9, 18],
        "traces/receiver": np.arange(54).reshape(18, 3), "traces/noise_sd": np.full(18, 0.1),
        "traces/data": np.arange(18 * 50.0).reshape(18, 50),
    }  # fmt: skip
    attributes = {"format": "pvi_hpc survey", "version": 1, "dt_s": 0.006, "n_samples": 50}
    wavelet_dt = changes.pop("wavelet_dt", 0.006)
    for name, value in changes.items():
        (data if name in data or "/" in name else attributes)[name] = value
    with h5py.File(path, "w") as file:
        file.attrs.update(attributes)
        for name, value in data.items():
            if value is not None:
                file[name] = np.asarray(value)
        file["wavelet"].attrs["dt_s"] = wavelet_dt
        file.create_group("attributes").attrs["by"] = np.bytes_("hand")
    return path


def test_a_survey_by_hand_with_other_types_of_numbers_and_text_is_read(tmp_path):
    path = by_hand(
        tmp_path / "s.h5", format=b"pvi_hpc survey", component=np.bytes_("vz"),
        version=np.array([1.0]), n_samples=np.array([[50.0]]), dt_s=np.float32(0.5),
    )  # fmt: skip
    survey = read_survey(path)
    assert (survey.dt, survey.n_samples, survey.component) == (0.5, 50, "vz")
    assert survey.attributes == {"by": "hand"}
    shot = survey.shots[1]
    assert [a.dtype for a in (shot.source, shot.receivers, shot.noise_sd)] == [np.float64] * 3
    assert shot.data.dtype == np.float32
    np.testing.assert_array_equal(shot.data[0], 9 * 50 + np.arange(50))
    np.testing.assert_array_equal(shot.receivers[0], [27, 28, 29])


BAD = [
    ({"shots/offset": [3, 9, 18]}, r"'shots/offset' must be .* from 0 .*, 18, got 3, 9, 18"),
    ({"shots/offset": [0, 9, 17]}, "'shots/offset' must be"),
    ({"shots/offset": [0, 9, 20]}, "'shots/offset' must be"),
    ({"shots/offset": [0, 12, 9]}, "'shots/offset' must be"),
    ({"shots/offset": [0, -9, 18]}, "'shots/offset' must be"),
    ({"shots/offset": [0.0, 9.0, 18.0]}, "'shots/offset' must be whole numbers"),
    ({"shots/offset": [0, 9]}, r"'shots/offset' must be an array of shape \(3\), got .*2"),
    ({"shots/id": [1, 1]}, "'shots/id' must be whole numbers that increase, .*got 1, 1"),
    ({"shots/id": [2, 1]}, "'shots/id' must be"),
    ({"shots/id": [1.0, 2.0]}, "'shots/id' must be whole numbers"),
    ({"shots/id": []}, "'shots/id' must be whole numbers"),
    ({"wavelet": []}, "'wavelet' must be at least one sample, got none"),
    ({"shots/source": np.zeros((2, 2))}, r"'shots/source' must be an array of shape \(2, 3\)"),
    ({"shots/source": np.zeros((1, 3))}, "'shots/source' must be an array"),
    ({"shots/source": [[1.0, 2, 3], [1, np.inf, 3]]}, r"must be finite, got inf at .*1, 1"),
    ({"traces/receiver": np.zeros((18, 2))}, r"'traces/receiver' must be .*\(n, 3\), got .*18"),
    ({"traces/receiver": np.zeros((17, 3))}, r"'traces/noise_sd' must be .*shape \(17\)"),
    ({"traces/noise_sd": 0.1}, r"'traces/noise_sd' must be .*shape \(18\), got shape \(\)"),
    ({"traces/data": np.ones((18, 49))}, r"'traces/data' must be .*\(18, 50\), got .*18, 49"),
    ({"traces/data": np.ones((50, 18))}, "'traces/data' must be an array"),
    ({"traces/data": np.full((18, 50), b"x")}, "'traces/data' must be numbers, got"),
    ({"dt_s": 0.0}, "'dt_s' of the file must be a positive number of seconds, got 0"),
    ({"dt_s": np.nan}, "'dt_s' of the file must be"),
    ({"dt_s": "0.006"}, "'dt_s' must be one number, got 0.006"),
    ({"dt_s": [0.006, 0.004]}, "'dt_s' must be one number"),
    ({"n_samples": 0}, "'n_samples' must be a whole number, at least 1, got 0"),
    ({"n_samples": 50.5}, "'n_samples' must be a whole number"),
    ({"n_samples": np.nan}, "'n_samples' must be a whole number"),
    ({"wavelet": np.full(60, np.nan)}, r"'wavelet' must be finite, got nan at index \[0\]"),
    ({"wavelet": np.hanning(60)[:, None]}, r"'wavelet' must be an array of shape \(n\), got"),
    ({"wavelet_dt": 0.0}, "'dt_s' of 'wavelet' must be a positive number"),
    ({"wavelet_dt": -0.006}, "'dt_s' of 'wavelet' must be a positive number"),
    ({"component": "vw"}, "'component' must be one of pressure, vz, vy, vx, got 'vw'"),
    ({"version": 2}, "version 2, this program reads version 1"),
    ({"version": [1, 1]}, "version 1, 1, this program"),
    ({"format": b"other"}, "'format' must be 'pvi_hpc survey', got 'other'"),
    ({"shots/source": None}, "not a readable survey file .*no dataset 'shots/source'"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "message"), BAD)
def test_a_survey_that_contradicts_itself_is_refused_with_the_dataset(
    tmp_path, changes, message
):
    with pytest.raises(SurveyError, match=message):
        SurveyFile(by_hand(tmp_path / "s.h5", **changes))


def test_a_shot_may_have_no_traces(tmp_path):
    file = SurveyFile(by_hand(tmp_path / "s.h5", **{"shots/offset": [0, 0, 18]}))
    assert [len(file.shot(i).receivers) for i in range(2)] == [0, 18]
