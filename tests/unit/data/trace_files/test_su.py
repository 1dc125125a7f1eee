"""SU: the byte order is the one in which the headers agree, and faults are named."""

import os
from pathlib import Path

import numpy as np
import pytest
from trace_files import noise, su, trace_header

from pvi_hpc.data.survey import Wavelet
from pvi_hpc.data.trace_files.su import read_su
from pvi_hpc.data.trace_files.traces import import_traces
from pvi_hpc.errors import SurveyError

CORPUS = (
    Path(os.environ.get("PVI_DATA", Path(__file__).parents[4].parent / "shared" / "data"))
    / "segy_corpus"
)


def read(path):
    wavelet = Wavelet(np.array([0.0, 1.0]), 0.004)
    return import_traces([str(path)], kind="su", wavelet=wavelet, noise_sd=1.0)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("unit", [0, 1])
@pytest.mark.parametrize(
    ("n", "n_traces"), [(257, 5), (514, 4), (1028, 3), (1024, 48), (512, 62), (1000, 3), (1, 7)]
)
def test_the_byte_order_is_the_one_in_which_all_headers_agree(
    tmp_path, order, unit, n, n_traces
):
    x = noise(n_traces, n)
    path = su(tmp_path / "s.su", [({"counit": unit}, trace) for trace in x], order=order)
    survey = read(path)
    np.testing.assert_array_equal(survey.shots[0].data, x)
    np.testing.assert_array_equal(survey.shots[0].receivers[0], [60, 300, 100])
    name = "little-endian" if order == "<" else "big-endian"
    assert f"the byte order is taken as {name}, in which" in survey.attributes["assumed"]


@pytest.mark.parametrize("order", ["<", ">"])
def test_samples_decide_where_every_header_reads_the_same_in_both_orders(tmp_path, order):
    x = noise(3, 257)
    zero = dict.fromkeys(("fldr", "trid", "scalel", "scalco", "counit", "sx", "sy"), 0)
    traces = [({**zero, "dt": 0x0404}, trace) for trace in x]
    data = read_su(su(tmp_path / "s.su", traces, order=order)).data
    np.testing.assert_array_equal(data, x)


def test_a_byte_order_that_nothing_tells_is_doubtful(tmp_path):
    same = {"trid": 0, "scalel": 0, "scalco": 0, "counit": 0, "dt": 0x0404}
    path = su(tmp_path / "s.su", [(same, np.zeros(257))] * 2)
    (remark,) = read_su(path).remarks
    assert (remark.kind, "headers do not tell" in remark.text) == ("doubtful", True)


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_file_without_an_interval_is_told_the_bytes(tmp_path, order):
    path = su(tmp_path / "s.su", [({"dt": 0}, np.ones(50))] * 3, order=order)
    with pytest.raises(SurveyError, match=r"has no sampling interval: bytes 117-118"):
        read(path)


def test_a_truncated_big_endian_file_is_not_read_as_little_endian(tmp_path):
    path = su(tmp_path / "s.su", [({}, trace) for trace in noise(48, 1024)], order=">")
    content = path.read_bytes()
    # A whole number of little-endian records of 4 samples, but of no big-endian ones.
    path.write_bytes(content[: len(content) - 256 * 7])
    with pytest.raises(SurveyError, match="is not a whole SU file"):
        read(path)
    path.write_bytes(trace_header()[:100])
    with pytest.raises(SurveyError, match="is not a whole SU file"):
        read(path)


def test_more_samples_than_a_signed_header_holds_are_read(tmp_path):
    x = noise(2, 40000)
    survey = read(su(tmp_path / "s.su", [({"dt": 40000}, trace) for trace in x]))
    np.testing.assert_array_equal(survey.shots[0].data, x)
    assert survey.dt == pytest.approx(0.04)
    assert "read without a sign as 40000 us" in survey.attributes["doubtful"]


def test_a_trace_of_another_interval_is_refused_with_its_number(tmp_path):
    traces = [({"dt": 2000 if i == 2 else 4000}, trace) for i, trace in enumerate(noise(4))]
    with pytest.raises(SurveyError, match=r"trace 3 has TRACE_SAMPLE_INTERVAL = 2000, exp"):
        read(su(tmp_path / "s.su", traces))


@pytest.mark.parametrize("name", ["small.su", "small-lsb.su"])
def test_files_of_another_program_without_an_interval_are_told_so(name):
    if not (CORPUS / name).exists():
        pytest.skip(f"no {CORPUS / name}; set PVI_DATA to the folder of test data")
    with pytest.raises(SurveyError, match=r"has no sampling interval: bytes 117-118"):
        read_su(CORPUS / name)
