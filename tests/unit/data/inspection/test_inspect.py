"""Inspection of trace files: right numbers, and a description under which each is read."""

import os
from pathlib import Path

import numpy as np
import pytest
from trace_files import noise, segy, su

from pvi_hpc.data.header_settings import HeaderSettings
from pvi_hpc.data.inspection.inspect import inspect_traces
from pvi_hpc.data.survey import Wavelet
from pvi_hpc.data.trace_files import trace_records
from pvi_hpc.data.trace_files.traces import import_traces
from pvi_hpc.errors import SurveyError

DATA = Path(os.environ.get("PVI_DATA", Path(__file__).parents[4].parent / "shared" / "data"))
CORPUS = DATA / "segy_corpus"


def imported(path, kind, settings):
    return import_traces(
        [str(path)], kind=kind, wavelet=Wavelet(np.zeros(1), 1.0), noise_sd=1.0,
        description=settings,
    )  # fmt: skip


def test_numbers_are_those_of_all_pieces_of_a_file(tmp_path, monkeypatch):
    x = noise(7, 64)
    x[2], x[5, 3] = 0, np.nan
    time = 0.004 * np.arange(64)
    x[0] = np.sin(2 * np.pi * 62.5 * time)
    path = segy(tmp_path / "s.sgy", [({"gx": 100 + 50 * i}, y) for i, y in enumerate(x)])
    monkeypatch.setattr(trace_records, "BLOCK", 1000)  # pieces of one or two traces
    found = inspect_traces(path, "segy")
    finite = np.delete(x, 5, axis=0).astype(np.float64)
    assert found.samples.rms == pytest.approx(np.sqrt(np.mean(finite**2)), rel=1e-6)
    assert found.samples.largest == pytest.approx(np.abs(finite).max())
    assert (found.samples.silent, found.samples.not_finite) == (1, 1)
    shares = [np.abs(np.fft.rfft(y)) ** 2 / np.sum(y**2) for y in np.delete(finite, 2, axis=0)]
    np.testing.assert_allclose(found.samples.power, np.sum(shares, axis=0), rtol=1e-6)
    np.testing.assert_allclose(found.samples.frequency, np.fft.rfftfreq(64, 0.004))
    np.testing.assert_array_equal(found.headers["GroupX"], 100 + 50 * np.arange(7))
    assert "on_bad_trace: drop" in found.settings.changed()
    np.testing.assert_allclose(found.receivers[:, 2], 100 + 50 * np.array([0, 1, 3, 4, 6]))


def test_refusals_are_settled_one_after_the_other(tmp_path):
    fields = {"fldr": 0, "tracf": 0, "counit": 3, "delrt": -40, "ns": 49}
    path = segy(tmp_path / "s.sgy", [(fields, x) for x in noise(3)], units=2)
    found = inspect_traces(path, "segy")
    assert found.complete
    assert found.settings == HeaderSettings(
        length_unit="ft", values={"TRACE_SAMPLE_COUNT": 0}, recording_delay="apply",
        shot_number="source", trace_number="order",
    )  # fmt: skip
    survey = imported(path, "segy", found.settings)
    np.testing.assert_allclose(survey.shots[0].source, np.array([60, 300, 300]) * 0.3048)
    assert survey.n_samples == 40


def test_what_no_line_settles_is_said(tmp_path):
    path = segy(tmp_path / "s.sgy", [({"trid": 6}, x) for x in noise(3)])
    found = inspect_traces(path, "segy")
    assert not found.complete
    assert "holds no live trace" in found.refusals[-1]
    with pytest.raises(SurveyError, match="truncated"):
        inspect_traces(segy(path, [({}, noise(1)[0])], end=b"x"), "segy")


def test_su_is_inspected_alike(tmp_path):
    path = su(tmp_path / "s.su", [({"dt": 0}, x) for x in noise(3)])
    found = inspect_traces(path, "su")
    assert found.complete
    assert found.settings.values == {"TRACE_SAMPLE_INTERVAL": 4000}


def expected(path, segyio):
    """Return the samples of a file as segyio has them."""
    endian = "little" if "lsb" in path.name else "big"
    if path.suffix == ".su":
        with segyio.su.open(str(path), ignore_geometry=True, endian=endian) as file:
            return file.trace.raw[:]
    with segyio.open(str(path), ignore_geometry=True, endian=endian) as file:
        return file.trace.raw[:]


def in_order(x):
    """Return traces in the order of their values: shots may be in another one."""
    return x[np.lexsort(x.T[::-1])]


#: Files that segyio does not read whole, and the file that has the same samples, or begins
#: with them.
BEYOND_SEGYIO = {
    "stanzas-unknown-count.sgy": "tiny.sgy", "trace-header-extension1.sgy": "tiny.sgy",
    "trace-header-extensions.sgy": "tiny.sgy", "rotated-small-rev2.sgy": "small.sgy",
}  # fmt: skip
#: Damaged, and without one sample other than 0.
NOT_READ = {
    "broken.sgy", "interval-neg-bin-neg-trace.sgy", "interval-neg-bin-pos-trace.sgy",
    "interval-pos-bin-neg-trace.sgy", "multi-text.sgy",
}  # fmt: skip


def test_files_of_other_people_are_described_and_then_read_with_segyios_amplitudes():
    segyio = pytest.importorskip("segyio")
    paths = sorted(CORPUS.glob("*.s*"))
    if not paths:
        pytest.skip(f"no {CORPUS}; set PVI_DATA to the folder of test data")
    read = 0
    for path in paths:
        kind = "su" if path.suffix == ".su" else "segy"
        if path.name in NOT_READ:
            try:
                assert not inspect_traces(path, kind).complete
            except SurveyError as error:
                assert "truncated" in str(error)
            continue
        found = inspect_traces(path, kind)
        assert found.complete, found.refusals
        survey = imported(path, kind, found.settings)
        assert [shot.id for shot in survey.shots] == sorted(found.shots)
        data = np.concatenate([shot.data for shot in survey.shots])
        read += 1
        theirs = expected(path.with_name(BEYOND_SEGYIO.get(path.name, path.name)), segyio)
        theirs = theirs[:2] if path.name == "trace-header-extensions.sgy" else theirs
        theirs = theirs[theirs.any(axis=1)].astype(np.float32)
        late = data.shape[1] - theirs.shape[1]
        assert not data[:, :late].any()
        np.testing.assert_allclose(
            in_order(data[:, late:]), in_order(theirs), rtol=2e-7, err_msg=path.name
        )
    assert read >= 28
