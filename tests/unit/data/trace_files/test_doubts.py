"""Doubts: headers that contradict each other, and samples that look like another format."""

import re

import numpy as np
import pytest
from test_description import read
from trace_files import noise, segy

from pvi_hpc.errors import SurveyError

#: Three shots into six receivers that stay in their places.
N_SHOTS, N_RECEIVERS = 3, 6


def spread(path, change=None, at=8, scalco=1, rounding=0, **fields):
    """Write a survey whose offsets are right; the headers `change` differ at trace `at`."""
    traces = []
    for i, samples in enumerate(noise(N_SHOTS * N_RECEIVERS)):
        shot, receiver = divmod(i, N_RECEIVERS)
        sx, sy, gx, gy = 3000 + 400 * shot, 7000, 1000 + 150 * receiver, 5000
        unit = 1.0 if scalco >= 0 else -1.0 / scalco
        distance = unit * np.hypot(sx - gx, sy - gy)
        good = {
            "fldr": 1 + shot, "tracf": 1 + receiver, "sx": sx, "sy": sy, "gx": gx, "gy": gy,
            "scalco": scalco, "offset": round(distance) + rounding,
        }  # fmt: skip
        traces.append(({**good, **fields, **(change or {} if i == at else {})}, samples))
    return segy(path, traces)


def doubts(path, **settings):
    try:
        return read(path, **settings).attributes.get("doubtful", "")
    except SurveyError as error:
        return str(error)


@pytest.mark.parametrize("scalco", [1, -10])
def test_positions_that_agree_are_not_doubted(tmp_path, scalco):
    path = spread(tmp_path / "s.sgy", scalco=scalco)
    assert doubts(path) == ""
    assert doubts(path, length_unit="ft") == ""
    assert doubts(path, rotation_deg=30, origin_m=(100, 200)) == ""


@pytest.mark.parametrize(
    ("change", "settings", "message"),
    [
        ({"gx": 1320}, {}, r"the offset \(bytes 37-40\).*trace 9, which has 2900.*\(1 trace\)"),
        ({"gx": 1320}, {}, r"places where no other trace.* first is trace 9 \(1 trace\)"),
        ({"gelev": -90}, {}, r"one place \(y, x\) have different depths.*\(3 traces\)"),
        ({}, {"values": {"SourceY": 7600}}, r"the offset .* \(18 traces\)"),
        ({"scalel": -20}, {"values": {"SourceDepth": 0}}, r"69-70\) is -20, no power of ten"),
        ({"scalel": -10}, {"values": {"SourceDepth": 0}}, r"ElevationScalar .* differs betw"),
    ],
)
def test_positions_that_other_headers_contradict_are_doubted(
    tmp_path, change, settings, message
):
    found = doubts(spread(tmp_path / "s.sgy", change), **settings)
    assert re.search(message, found), found


def test_a_spread_that_moves_is_not_doubted(tmp_path):
    traces = [
        ({"fldr": 1 + i // 4, "tracf": 1 + i % 4, "sx": 300 + 25 * (i // 4),
          "gx": 500 + 25 * (i // 4 + i % 4), "offset": 200 + 25 * (i % 4)}, samples)
        for i, samples in enumerate(noise(16))
    ]  # fmt: skip
    assert doubts(segy(tmp_path / "s.sgy", traces)) == ""


def ibm(values):
    """Return the words of IBM floats: sign, 16**(e - 64), fraction of 24 bits below 1."""
    size = np.abs(values.astype(np.float64))
    power = np.where(size > 0, np.floor(np.log2(np.maximum(size, 1e-70)) / 4) + 1, 0)
    fraction = np.round(size / 16.0**power * 2**24).astype(np.int64)
    power, fraction = power + (fraction == 2**24), np.where(fraction == 2**24, 2**20, fraction)
    words = (values < 0) * 2**31 + (power.astype(np.int64) + 64) * 2**24 + fraction
    return np.where(size > 0, words, 0).astype(np.uint32)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_a_format_code_that_does_not_fit_the_bits_is_doubted(tmp_path, scale):
    samples = (scale * np.cumsum(noise(20, 200), axis=1)).astype(np.float32)
    words = {1: ibm(samples), 5: samples.view(np.uint32)}
    if scale > 1:
        words[2] = np.round(samples).astype(np.int32).view(np.uint32)
    for true, of_format in words.items():
        for stated in (1, 2, 5):
            path = segy(tmp_path / "s.sgy", [({}, x) for x in of_format], code=1, format=stated)
            found = doubts(path)
            named = f"{{values: {{Format: {true}}}}}"
            assert (named in found) == (true != stated), (true, stated, found)
            assert ("look like" in found) == (true != stated)


def test_words_that_a_recorder_did_not_normalise_are_no_ieee(tmp_path):
    # The same exponent for all samples of a trace: small ones begin with zero digits.
    fraction = np.random.default_rng(2).laplace(0, 2**18, (20, 200)).astype(np.int64)
    words = ((fraction < 0) * 2**31 + 0x46000000 + np.abs(fraction)).astype(np.uint32)
    path = segy(tmp_path / "s.sgy", [({}, x) for x in words], code=1)
    assert doubts(path) == ""
