"""Odd SEG-Y and SU files: read as another library reads them, or refused; never a crash."""

import os
import random
import warnings
from pathlib import Path

import numpy as np
import pytest
from trace_files import noise, segy, su

from pvi_hpc.data.survey import Wavelet
from pvi_hpc.data.trace_files.segy import read_segy
from pvi_hpc.data.trace_files.traces import import_traces
from pvi_hpc.errors import SurveyError

CORPUS = (
    Path(os.environ.get("PVI_DATA", Path(__file__).parents[4].parent / "shared" / "data"))
    / "segy_corpus"
)
#: Files whose layout is not read, and files that are damaged.
REFUSED = {
    "broken.sgy": r"is truncated.*after byte 10000",
    "mapping-default.sgy": r"\(\(SEG: Layout'",
    "mapping-minimal.sgy": r"\(\(SEG: Layout'",
    "mapping-shifted.sgy": r"\(\(SEG: Layout'",
    "rotated-small-rev2.sgy": r"trace 1 has a trace header extension \(SEG00001\).*byte 161",
    "trace-header-extensions.sgy": r"\(\(SEG: Layout'",
}
#: Files that segyio reads with another number of traces, and that number.
BEYOND_SEGYIO = {"stanzas-unknown-count.sgy": 6, "trace-header-extension1.sgy": 6}


def imported(path, kind):
    wavelet = Wavelet(np.array([0.0, 1.0]), 0.004)
    return import_traces([str(path)], kind=kind, wavelet=wavelet, noise_sd=1.0)


def test_files_of_another_library_are_read_alike_or_refused_with_the_reason():
    segyio = pytest.importorskip("segyio")
    paths = sorted(CORPUS.glob("*.s*gy"))
    if not paths:
        pytest.skip(f"no {CORPUS}; set PVI_DATA to the folder of test data")
    for path in paths:
        if path.name in REFUSED:
            with pytest.raises(SurveyError, match=REFUSED[path.name]):
                read_segy(path)
            continue
        data = read_segy(path).data
        if path.name in BEYOND_SEGYIO:
            assert len(data) == BEYOND_SEGYIO[path.name]
            continue
        order = "little" if path.name == "small-lsb.sgy" else "big"
        with segyio.open(str(path), ignore_geometry=True, endian=order) as file:
            np.testing.assert_allclose(data, file.trace.raw[:], rtol=2e-7, err_msg=path.name)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("viking_small.segy", r"trace 1 has TRACE_SAMPLE_COUNT = 1500, expected 600"),
        ("delay-scalar.sgy", r"trace 1 has DelayRecordingTime = 10000, expected 0 ms"),
        ("small.sgy", r"FieldRecord \(bytes 9-12\) and TraceNumber .* are 0 in 25 traces"),
        ("interval-neg-bin-neg-trace.sgy", r"hold no live trace"),
    ],
)
def test_files_that_are_no_survey_are_refused_with_the_header(name, message):
    if not (CORPUS / name).exists():
        pytest.skip(f"no {CORPUS / name}; set PVI_DATA to the folder of test data")
    with pytest.raises(SurveyError, match=message):
        imported(CORPUS / name, "segy")


@pytest.mark.parametrize("kind", ["segy", "su"])
def test_any_bytes_are_read_or_refused_without_a_crash_or_a_warning(tmp_path, kind):
    rng = random.Random(7)
    traces = [
        ({"fldr": 1 + i // 6, "tracf": 1 + i % 6}, x) for i, x in enumerate(noise(12, 40))
    ]
    path, first = tmp_path / "s", 3600 if kind == "segy" else 0
    starts = [first + 400 * i for i in range(12)]
    if kind == "segy":
        written = (segy(path, traces, **more) for more in ({}, {"code": 1, "rev": 0x0200}))
    else:
        written = (su(path, traces, order=order) for order in "<>")
    originals = [file.read_bytes() for file in written]
    outcomes = set()
    for _ in range(600):
        content = bytearray(rng.choice(originals))
        for _ in range(rng.choice((1, 1, 2, 5))):
            place = rng.choice(
                (rng.randrange(len(content)), rng.choice(starts) + rng.randrange(240),
                 rng.randrange(first - 400, first) if first else rng.randrange(240))
            )  # fmt: skip
            content[place] = rng.choice((0, 1, 2, 3, 128, 255, rng.randrange(256)))
        path.write_bytes(
            content[: rng.randrange(len(content))] if rng.random() < 0.1 else content
        )
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                imported(path, kind)
                outcomes.add("read")
            except SurveyError as error:
                assert "'" in str(error)
                outcomes.add("refused")
    assert outcomes == {"read", "refused"}
