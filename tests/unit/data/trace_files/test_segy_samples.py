"""SEG-Y samples: every word of every format has the value that the standard gives it."""

import os
from pathlib import Path

import numpy as np
import pytest
from trace_files import segy

from pvi_hpc.data.survey import Wavelet
from pvi_hpc.data.trace_files.sample_formats import decode
from pvi_hpc.data.trace_files.segy import read_segy
from pvi_hpc.data.trace_files.traces import import_traces
from pvi_hpc.errors import SurveyError

CORPUS = (
    Path(os.environ.get("PVI_DATA", Path(__file__).parents[4].parent / "shared" / "data"))
    / "segy_corpus"
)


def read(path):
    wavelet = Wavelet(np.array([0.0, 1.0]), 0.004)
    return import_traces([str(path)], kind="segy", wavelet=wavelet, noise_sd=1.0)


@pytest.mark.parametrize(
    ("word", "value"),
    [
        (0x41100000, 1.0), (0xC2640000, -100.0), (0x00000000, 0.0), (0x80000000, 0.0),
        # The first hexadecimal digits of the fraction are zero.
        (0x42010000, 1.0), (0x43001000, 1.0), (0xC2080000, -8.0), (0x46000001, 1.0),
        (0x40000001, 2.0**-24), (0x40FFFFFF, 1 - 2.0**-24), (0x3F000010, 2.0**-24),
        (0x7F000000, 0.0), (0x60FFFFFF, (1 - 2.0**-24) * 16.0**32),
    ],
)  # fmt: skip
def test_an_ibm_word_has_the_value_of_its_definition(tmp_path, word, value):
    words = np.array([0x41100000, word], dtype=np.uint32)
    shot = read(segy(tmp_path / "s.sgy", [({}, words)], code=1)).shots[0]
    np.testing.assert_array_equal(shot.data[0], np.array([1.0, np.float32(value)]))


def test_random_ibm_words_have_the_value_of_their_definition():
    words = np.random.default_rng(1).integers(0, 2**32, 20000, dtype=np.uint64)
    sign, exponent = words >> 31, (words >> 24) & 0x7F
    fraction = (words & 0xFFFFFF).astype(float) / 2**24
    value = (-1.0) ** sign * fraction * 16.0 ** (exponent.astype(float) - 64)
    with np.errstate(over="ignore", under="ignore"):
        right = value.astype(np.float32)
    np.testing.assert_array_equal(decode(words.astype(">u4"), 1), right)


def test_an_ibm_word_beyond_float32_is_refused_with_its_trace(tmp_path):
    words = np.array([0x41100000, 0x7FFFFFFF], dtype=np.uint32)
    with pytest.raises(SurveyError, match=r"trace 1 \(FieldRecord 1.*infinite"):
        read(segy(tmp_path / "s.sgy", [({}, words)], code=1))


@pytest.mark.parametrize("order", [">", "<"])
@pytest.mark.parametrize("code", [2, 3, 5, 6, 8, 9, 10, 11, 12, 16])
def test_every_format_gives_its_numbers_in_either_byte_order(tmp_path, code, order):
    numbers = np.array(
        [0, 1, 2, 100, 127] if code in (10, 11, 12, 16) else [0, -1, 2, -100, 127]
    )
    path = segy(tmp_path / "s.sgy", [({}, numbers)], code=code, order=order)
    np.testing.assert_array_equal(read(path).shots[0].data[0], numbers)


@pytest.mark.parametrize("code", [2, 3, 8])
def test_fixed_point_samples_are_divided_by_two_to_the_weighting_factor(tmp_path, code):
    true = np.array([1.0, -2.0, 3.0, 0.5])
    traces = [({"wgt": n}, true * 2.0**n) for n in (1, 2, 4)]
    survey = read(segy(tmp_path / "s.sgy", traces, code=code))
    np.testing.assert_array_equal(survey.shots[0].data, np.tile(true, (3, 1)))
    assert (
        "samples are multiplied by 2 to the power of its negative (3 traces)"
        in (survey.attributes["assumed"])
    )
    large = read(segy(tmp_path / "s.sgy", [({"wgt": -3}, [1, 2])], code=code))
    np.testing.assert_array_equal(large.shots[0].data[0], [8, 16])


def test_a_weighting_factor_beside_floats_is_said_and_not_applied(tmp_path):
    survey = read(segy(tmp_path / "s.sgy", [({"wgt": 3}, [1.0, 2.0]), ({}, [3.0, 4.0])]))
    np.testing.assert_array_equal(survey.shots[0].data, [[1, 2], [3, 4]])
    assert "(bytes 169-170) is not 0; it is not applied" in survey.attributes["doubtful"]


def test_a_weighting_factor_that_is_none_is_refused(tmp_path):
    with pytest.raises(SurveyError, match=r"trace 1 has TraceWeightingFactor .* = 8224, exp"):
        read(segy(tmp_path / "s.sgy", [({"wgt": 8224}, [1, 2])], code=3))


@pytest.mark.parametrize("code", [1, 2, 5, 6, 8, 10, 11, 16])
def test_files_of_other_programs_hold_the_same_samples_in_every_format(code):
    """The files hold one cube in every format, cut so that it fits a signed byte or not."""
    segyio = pytest.importorskip("segyio")
    path = CORPUS / f"Format{code}msb.sgy"
    if not path.exists():
        pytest.skip(f"no {path}; set PVI_DATA to the folder of test data")
    with segyio.open(str(path), ignore_geometry=True) as file:
        right = file.trace.raw[:]
    data = read_segy(path).data
    assert data.shape == right.shape
    np.testing.assert_allclose(data, right, rtol=2e-7)
