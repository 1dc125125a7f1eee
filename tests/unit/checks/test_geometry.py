"""Coordinates that were never filled in, and points that coincide, are found."""

import numpy as np
import pytest
from run_example import make_run
from trace_files import noise, segy

from pvi_hpc.checks.geometry import check_geometry
from pvi_hpc.checks.run import check_run
from pvi_hpc.data.survey import Shot, Survey, Wavelet


def survey_of(sources, receivers):
    """Return a survey with the same receivers for every source."""
    points = np.asarray(receivers, dtype=float)
    shots = tuple(
        Shot(i + 1, np.asarray(s, float), points, np.empty((len(points), 0), np.float32),
             np.ones(len(points)))
        for i, s in enumerate(sources)
    )  # fmt: skip
    return Survey(shots, Wavelet(np.ones(1), 0.004), 0.004, 10)


def found(sources, receivers):
    findings = check_geometry(survey_of(sources, receivers), "sources", "receivers")
    return [(f.level, f.setting, f.message) for f in findings]


SPREAD = [[25, 50, 100 * i] for i in range(5)]
SOURCES = [[50, 100, 100], [50, 100, 300]]


def test_a_good_geometry_has_no_finding():
    assert found(SOURCES, SPREAD) == []
    assert found(SOURCES[:1], SPREAD) == []


@pytest.mark.parametrize("z", [0.0, 60.0])
def test_all_sources_or_all_receivers_at_zero_are_an_error(z):
    (level, setting, message), *_ = found([[z, 0, 0]] * 2, SPREAD)
    assert (level, setting) == ("error", "sources")
    assert f"all 2 sources are at (z, y, x) = ({z:g}, 0, 0) m" in message
    assert "bytes 41-52 and 73-88" in message
    (level, setting, message), *_ = found(SOURCES, [[z, 0, 0]] * 5)
    assert (level, setting) == ("error", "receivers")
    assert "all 10 receivers are at" in message


def test_a_single_point_at_the_origin_is_only_a_warning():
    assert [f[:2] for f in found([[5, 0, 0]], SPREAD)] == [("warning", "sources")]
    assert [f[:2] for f in found(SOURCES, [[5, 0, 0]])] == [("warning", "receivers")]


def test_a_well_at_the_origin_is_fine():
    well = [[10.0 * i, 0, 0] for i in range(5)]
    assert found(SOURCES, well) == []
    assert found(well, SPREAD) == []


def test_several_sources_at_zero_among_others_are_a_warning():
    ((level, _, message),) = found([[5, 0, 0], [5, 0, 0], *SOURCES], SPREAD)
    assert level == "warning"
    assert "2 of 4 sources are at y = x = 0" in message
    assert found([[5, 0, 0], *SOURCES], SPREAD) == []


def test_receivers_at_one_place_and_at_the_source_are_warnings():
    ((level, _, message),) = found(SOURCES, [*SPREAD, SPREAD[2], SPREAD[2]])
    assert level == "warning"
    assert "3 of the 7 receivers of shot 1 share their place" in message
    assert "2 of 2 shots" in message
    ((level, _, message),) = found(SOURCES, [*SPREAD, SOURCES[1]])
    assert level == "warning"
    assert (
        "1 of the 6 receivers of shot 2 are at its source, (z, y, x) = (50, 100, 300)"
        in message
    )


def test_all_sources_at_one_place_are_a_warning():
    ((level, setting, message),) = found([SOURCES[0]] * 3, SPREAD)
    assert (level, setting) == ("warning", "sources")
    assert "all 3 shots have their source at one place" in message


@pytest.mark.parametrize(
    ("zero", "errors"),
    [
        ({"sx": 0, "sy": 0, "gx": 0, "gy": 0, "sdepth": 0, "gelev": 0}, ["source", "receiver"]),
        ({"gx": 0, "gy": 0}, ["receiver"]),
        ({"gx": 200, "gy": 300}, []),
    ],
)
def test_pvi_check_refuses_trace_headers_without_coordinates(tmp_path, zero, errors):
    traces = [
        (
            {
                "fldr": 1 + i // 9,
                "tracf": 1 + i % 9,
                "sx": 300 + 60 * (i // 9),
                "dt": 5000,
                **zero,
            },
            x,
        )
        for i, x in enumerate(noise(18, 251))
    ]
    run = make_run(
        survey__format="segy", survey__synthetic=None, survey__noise_sd=1.0,
        survey__files=[str(segy(tmp_path / "s.sgy", traces, dt=5000))],
    )  # fmt: skip
    findings = check_run(run)
    said = [f.message for f in findings if f.level == "error"]
    assert [
        kind for m in said for kind in ("source", "receiver") if f"{kind}s are at" in m
    ] == errors
    assert len(said) == len(errors)
    assert any("share their place" in f.message for f in findings if f.level == "warning")
