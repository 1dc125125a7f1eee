"""HDF5 files that somebody else made: nothing outside them is opened, nothing blows up."""

import os
import zipfile

import h5py
import numpy as np
import pytest

from pvi_hpc.data.model_file import read_model
from pvi_hpc.data.settings import ModelFileSettings
from pvi_hpc.data.survey import Shot, Survey, Wavelet
from pvi_hpc.data.survey_file import SurveyFile, read_survey, write_survey
from pvi_hpc.errors import SurveyError
from pvi_hpc.grid import Grid

GRID = Grid((8, 8, 8), (50.0, 50.0, 50.0))
MODEL = np.full(GRID.shape, 2000.0)
DATASETS = ("wavelet", "shots/id", "shots/source", "shots/offset", "traces/receiver",
            "traces/noise_sd", "traces/data")  # fmt: skip


def read(path, dataset="vp"):
    return read_model(ModelFileSettings(file=str(path), dataset=dataset), GRID)


def written_survey(path):
    rng = np.random.default_rng(1)
    shots = [
        Shot(i, rng.random(3), rng.random((4, 3)), rng.random((4, 9), np.float32), np.ones(4))
        for i in (1, 2)
    ]
    write_survey(Survey(tuple(shots), Wavelet(np.hanning(5), 0.004), 0.004, 9), path)
    return path


def unanswered(folder):
    """Return a path whose opening never returns: a pipe that nobody writes into."""
    os.mkfifo(folder / "pipe")
    return str(folder / "pipe")


def test_a_link_out_of_a_model_file_is_refused_before_it_is_followed(tmp_path):
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file["vp"] = h5py.ExternalLink(unanswered(tmp_path), "vp")
        file["group"] = h5py.ExternalLink(str(tmp_path / "pipe"), "/")
        file["soft"] = h5py.SoftLink("/vp")
    with pytest.raises(SurveyError, match=r"dataset 'vp' is reached by an external link, 'vp'"):
        read(tmp_path / "m.h5")
    with pytest.raises(
        SurveyError, match=r"'group/vp' is reached by an external link, 'group'"
    ):
        read(tmp_path / "m.h5", "group/vp")
    with pytest.raises(SurveyError, match=r"'soft' is reached by a soft link.*a copy of them"):
        read(tmp_path / "m.h5", "soft")


@pytest.mark.parametrize("name", [*DATASETS, "shots", "traces", "attributes"])
def test_a_link_out_of_a_survey_file_is_refused_before_it_is_followed(tmp_path, name):
    path = written_survey(tmp_path / "s.h5")
    with h5py.File(path, "a") as file:
        del file[name]
        file[name] = h5py.ExternalLink(unanswered(tmp_path), "/")
    with pytest.raises(SurveyError, match=r"is reached by an external link"):
        SurveyFile(path)


def test_values_in_other_files_are_refused(tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(MODEL.tobytes())
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.create_dataset("vp", GRID.shape, "f8", external=[(str(secret), 0, MODEL.nbytes)])
        layout = h5py.VirtualLayout(GRID.shape, "f8")
        layout[:] = h5py.VirtualSource(tmp_path / "other.h5", "vp", GRID.shape)
        file.create_virtual_dataset("virtual", layout)
    with pytest.raises(
        SurveyError, match=r"dataset 'vp' has its values in the file '.*secret'"
    ):
        read(tmp_path / "m.h5")
    with pytest.raises(SurveyError, match=r"dataset 'virtual' is virtual"):
        read(tmp_path / "m.h5", "virtual")
    path = written_survey(tmp_path / "s.h5")
    with h5py.File(path, "a") as file:
        del file["traces/data"]
        file.create_dataset("traces/data", (8, 9), "f4", external=[(str(secret), 0, 288)])
    with pytest.raises(SurveyError, match=r"dataset 'traces/data' has its values in the file"):
        read_survey(path)


def test_a_small_file_that_claims_gigabytes_is_refused_before_it_is_read(tmp_path):
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.create_dataset(
            "vp", (1030, 1030, 1030), "f4", chunks=(103,) * 3, compression="gzip"
        )
        file.create_dataset(
            "wide", GRID.shape, "f4", maxshape=(None,) * 3, chunks=(1024, 512, 512)
        )
    assert (tmp_path / "m.h5").stat().st_size < 10_000
    with pytest.raises(SurveyError, match=r"claims 4371 MB, but only 0 bytes are stored"):
        read(tmp_path / "m.h5")
    with pytest.raises(SurveyError, match=r"'wide' has chunks of 1074 MB, more than"):
        read(tmp_path / "m.h5", "wide")
    path = written_survey(tmp_path / "s.h5")
    with h5py.File(path, "a") as file:
        del file["traces/data"]
        file.attrs["n_samples"] = 10**9
        file.create_dataset("traces/data", (8, 10**9), "f4", fillvalue=1.0)
    with pytest.raises(SurveyError, match=r"'traces/data' claims 32000 MB, but only 0 bytes"):
        SurveyFile(path)


def test_values_that_are_compressed_many_times_over_are_refused(tmp_path):
    with h5py.File(tmp_path / "m.h5", "w") as file:
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_chunk(GRID.shape)
        for _ in range(3):
            plist.set_deflate(9)
        space = h5py.h5s.create_simple(GRID.shape)
        h5py.h5d.create(file.id, b"vp", h5py.h5t.NATIVE_FLOAT, space, plist)
    with pytest.raises(SurveyError, match=r"'vp' is compressed several times over"):
        read(tmp_path / "m.h5")


def test_compressed_and_chunked_files_are_read(tmp_path):
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.create_dataset("vp", data=MODEL, compression="gzip", shuffle=True, fletcher32=True)
    np.testing.assert_array_equal(read(tmp_path / "m.h5"), MODEL)
    path = written_survey(tmp_path / "s.h5")
    right = read_survey(path).shots[1].data
    with h5py.File(path, "a") as file:
        data = file["traces/data"][()]
        del file["traces/data"]
        file.create_dataset("traces/data", data=data, compression="gzip", chunks=(3, 9))
    np.testing.assert_array_equal(read_survey(path).shots[1].data, right)


def test_text_in_place_of_numbers_is_refused(tmp_path):
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.create_dataset("vp", GRID.shape, h5py.string_dtype())
    with pytest.raises(SurveyError, match="must hold numbers"):
        read(tmp_path / "m.h5")


def test_an_npy_file_is_compared_before_it_is_read_and_holds_one_array(tmp_path):
    path = tmp_path / "m.npy"
    with path.open("wb") as file:  # 8 TB, of which nothing is stored
        header = {"descr": "<f8", "fortran_order": False, "shape": (10**4,) * 3}
        np.lib.format.write_array_header_1_0(file, header)
    with pytest.raises(SurveyError, match=r"m\.npy"):
        read(path)
    np.save(path, MODEL[:4])
    with pytest.raises(SurveyError, match=r"has shape \(4, 8, 8\)"):
        read(path)
    np.save(path, np.asfortranarray(MODEL + np.arange(8)))
    np.testing.assert_array_equal(read(path), MODEL + np.arange(8))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("vp.npy", b"x")
    with pytest.raises(SurveyError, match=r"Cannot read the model file '.*m\.npy'"):
        read(path)
