"""Odd files described by `survey.headers`: each setting with the right values."""

import struct

import numpy as np
import pytest
from trace_files import noise, segy, su

from pvi_hpc.data.header_settings import HeaderSettings
from pvi_hpc.data.survey import Wavelet
from pvi_hpc.data.trace_files.traces import import_traces
from pvi_hpc.errors import SurveyError

#: Where `trace_files.segy` puts the traces unless a test says otherwise, (z, y, x) [m].
SOURCE = np.array([60.0, 300, 300])
RECEIVERS = np.array([[60.0, 300, 100], [60, 300, 150], [60, 300, 200]])


def read(*paths, kind="segy", component="pressure", **settings):
    return import_traces(
        [str(path) for path in paths],
        kind=kind,
        wavelet=Wavelet(np.zeros(1), 1.0),
        noise_sd=1.0,
        component=component,
        description=HeaderSettings(**settings),
    )


def traces(x=None, **fields):
    return [(fields, samples) for samples in (noise(3) if x is None else x)]


def patched(path, *words, first=3840, size=240 + 200):
    """Put words `(byte, code of struct, values)` into the headers of the traces of a file."""
    content = bytearray(path.read_bytes())
    start = first - 240
    for byte, code, values in words:
        for i, value in enumerate(values):
            struct.pack_into(code, content, start + i * size + byte - 1, value)
    path.write_bytes(content)
    return path


def assert_at(survey, source=SOURCE, receivers=RECEIVERS):
    np.testing.assert_allclose(survey.shots[0].source, source, atol=1e-9)
    np.testing.assert_allclose(survey.shots[0].receivers, receivers, atol=1e-9)


def test_a_description_of_what_is_standard_changes_nothing(tmp_path):
    path = segy(tmp_path / "s.sgy", traces())
    plain, same = read(path), read(path, bytes={"SourceX": "73-76"}, values={"GroupY": 300})
    assert_at(plain)
    assert_at(same)
    np.testing.assert_array_equal(plain.shots[0].data, same.shots[0].data)
    assert "survey.headers" not in plain.attributes.get("assumed", "")
    assert (
        "'survey.headers: {bytes: {SourceX: 73-76}, values: {GroupY: 300}}'"
        in same.attributes["assumed"]
    )


@pytest.mark.parametrize(
    ("word", "code"),
    [
        ("181-184", ">i"), ("181-182 unsigned", ">H"), ("181-188 float", ">d"),
        ("181-184 float", ">f"), ("181-188", ">q"),
    ],
)  # fmt: skip
def test_words_are_read_at_the_bytes_and_of_the_type_that_are_named(tmp_path, word, code):
    values = [40000, 40010, 40025]
    path = patched(segy(tmp_path / "s.sgy", traces()), (181, code, values))
    assert_at(read(path, bytes={"GroupX": word}),
              receivers=[[60, 300, x] for x in values])  # fmt: skip


def test_ibm_floats_are_words_too_and_fractions_are_kept(tmp_path):
    # 0x42640000 is 100, 0x43001000 is 1 (not normalised), 0xC2808000 is -128.5.
    path = patched(
        segy(tmp_path / "s.sgy", traces()),
        (201, ">I", [0x42640000, 0x43001000, 0xC2808000]), (205, ">f", [-60.25] * 3),
    )  # fmt: skip
    survey = read(
        path, bytes={"GroupX": "201-204 ibm", "ReceiverGroupElevation": "205-208 float"}
    )
    assert_at(survey, receivers=[[60.25, 300, x] for x in (100, 1, -128.5)])


def test_shots_by_another_word_are_those_of_its_bytes(tmp_path):
    path = patched(segy(tmp_path / "s.sgy", traces()), (17, ">i", [7, 9, 7]))
    survey = read(path, bytes={"FieldRecord": "17-20"})
    assert [(s.id, len(s.receivers)) for s in survey.shots] == [(7, 2), (9, 1)]


def test_a_word_in_an_extension_of_the_header_is_read(tmp_path):
    extension = struct.pack(">d", 1234.5).rjust(104, b"\0").ljust(232, b"\0") + b"SEG00001"
    path = segy(tmp_path / "s.sgy", traces(), extension=extension, rev=0x0200, addl=1)
    with pytest.raises(SurveyError, match=r"byte 97 of this extension is byte 337.*trace_ext"):
        read(path)
    described = {"bytes": {"GroupX": "337-344 float"}, "ignore": ["trace_extension"]}
    assert_at(read(path, **described), receivers=[[60, 300, 1234.5]] * 3)
    plain = segy(tmp_path / "p.sgy", traces())
    with pytest.raises(
        SurveyError, match=r"bytes 337-344 \('survey.headers.bytes'\).*240 bytes"
    ):
        read(plain, **described)


def test_words_of_su_are_named_alike(tmp_path):
    path = su(tmp_path / "s.su", traces())
    patched(path, (181, "<f", [1.5, 2.5, 3.5]), first=240)
    survey = read(path, kind="su", bytes={"GroupX": "181-184 float"})
    assert_at(survey, receivers=[[60, 300, x] for x in (1.5, 2.5, 3.5)])


def test_values_override_the_headers(tmp_path):
    path = segy(tmp_path / "s.sgy", traces(scalco=1, scalel=1))
    survey = read(path, values={"SourceGroupScalar": -10, "ElevationScalar": -100})
    assert_at(survey, SOURCE * [0.01, 0.1, 0.1], RECEIVERS * [0.01, 0.1, 0.1])
    survey = read(path, values={"SourceDepth": 5.5, "ReceiverGroupElevation": -7.25})
    assert_at(survey, [5.5, 300, 300], [[7.25, 300, x] for x in (100, 150, 200)])
    survey = read(path, values={"Interval": 2000, "TRACE_SAMPLE_INTERVAL": 2000})
    assert survey.dt == pytest.approx(0.002)
    survey = read(path, values={"Interval": 1333.25, "TRACE_SAMPLE_INTERVAL": 0})
    assert survey.dt == pytest.approx(1333.25e-6)


def test_a_wrong_format_code_and_byte_order_are_overridden(tmp_path):
    x = noise(3)
    wrong = segy(tmp_path / "a.sgy", traces(x), format=1)
    assert not np.allclose(read(wrong).shots[0].data, x)
    np.testing.assert_array_equal(read(wrong, values={"Format": 5}).shots[0].data, x)
    unknown = segy(tmp_path / "b.sgy", traces(x), format=0, order="<")
    with pytest.raises(SurveyError, match=r"3225-3226\), got code 0.*\{Format: 5\}"):
        read(unknown)
    survey = read(unknown, values={"Format": 5}, byte_order="little")
    np.testing.assert_array_equal(survey.shots[0].data, x)
    same = su(tmp_path / "c.su", traces(x), order=">")
    survey = read(same, kind="su", byte_order="big")
    np.testing.assert_array_equal(survey.shots[0].data, x)
    assert "byte order is taken" not in survey.attributes["assumed"]


def test_axes_are_swapped(tmp_path):
    path = segy(tmp_path / "s.sgy", traces(sx=310))
    assert_at(read(path, swap_xy=True), [60, 310, 300], RECEIVERS[:, [0, 2, 1]])


@pytest.mark.parametrize(("unit", "metres"), [("ft", 0.3048), ("us_ft", 1200 / 3937)])
def test_feet_become_metres(tmp_path, unit, metres):
    path = segy(tmp_path / "s.sgy", traces(), units=2)
    with pytest.raises(SurveyError, match=r"bytes 3255-3256, = 2.*\{length_unit: ft\}"):
        read(path)
    assert_at(read(path, length_unit=unit), SOURCE * metres, RECEIVERS * metres)
    assert_at(read(path, length_unit="m"))
    survey = read(path, length_unit="m", vertical_unit=unit)
    assert_at(survey, SOURCE * [metres, 1, 1], RECEIVERS * [metres, 1, 1])


def test_units_that_the_headers_get_wrong_are_overridden(tmp_path):
    path = segy(tmp_path / "s.sgy", traces(counit=3))
    with pytest.raises(SurveyError, match=r"CoordinateUnits = 3.*89-90.*\{length_unit: m\}"):
        read(path)
    assert_at(read(path, length_unit="m"))


@pytest.mark.parametrize(
    ("unit", "scalar", "longitude", "latitude"),
    [
        ("degrees", -10000, 33000, 600000), ("arcsec", 1, 11880, 216000),
        ("dms", 1, 31800, 600000), ("dms", -100, 3180000, 60000000),
    ],
)  # fmt: skip
def test_angles_are_projected(tmp_path, unit, scalar, longitude, latitude):
    pytest.importorskip("pyproj", reason="pyproj is an optional dependency")
    place = {"sx": longitude, "gx": longitude, "sy": latitude, "gy": latitude}
    path = segy(tmp_path / "s.sgy", traces(scalco=scalar, counit=3, **place))
    # 3.3 degrees east, 60 north in UTM zone 31, to 1 mm: Krueger's series (`utm` below).
    x, y = utm(np.deg2rad(3.3), np.deg2rad(60.0), np.deg2rad(3.0))
    survey = read(path, length_unit=unit, projection="EPSG:32631")
    np.testing.assert_allclose(survey.shots[0].receivers, [[60, y, x]] * 3, atol=1e-3)
    np.testing.assert_allclose(survey.shots[0].source, [60, y, x], atol=1e-3)


def utm(longitude, latitude, middle):
    """Krueger (1912), series in n to order 3 on the WGS 84 ellipsoid; angles in radians."""
    flat = 1 / 298.257223563
    n = flat / (2 - flat)
    radius = 6378137.0 / (1 + n) * (1 + n**2 / 4 + n**4 / 64)
    alpha = [
        n / 2 - 2 * n**2 / 3 + 5 * n**3 / 16, 13 * n**2 / 48 - 3 * n**3 / 5, 61 * n**3 / 240
    ]  # fmt: skip
    e = 2 * np.sqrt(n) / (1 + n)
    t = np.sinh(np.arctanh(np.sin(latitude)) - e * np.arctanh(e * np.sin(latitude)))
    xi = np.arctan2(t, np.cos(longitude - middle))
    eta = np.arctanh(np.sin(longitude - middle) / np.sqrt(1 + t**2))
    k = [2 * (j + 1) for j in range(3)]
    east = eta + sum(
        a * np.cos(j * xi) * np.sinh(j * eta) for a, j in zip(alpha, k, strict=True)
    )
    north = xi + sum(
        a * np.sin(j * xi) * np.cosh(j * eta) for a, j in zip(alpha, k, strict=True)
    )
    return 500_000 + 0.9996 * radius * east, 0.9996 * radius * north


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"projection": "EPSG:4326"}, "must be a projected reference system in metres"),
        ({"projection": "EPSG:2225"}, "must be a projected reference system in metres"),
        ({"projection": "nowhere"}, "must be reference systems that pyproj knows.*'nowhere'"),
        ({"projection": "EPSG:32631", "values": {"SourceY": 9600}},
         r"SourceX = 300 \(bytes 73-76\) and SourceY = 9600 .*latitude 960 degrees"),
    ],
)  # fmt: skip
def test_projections_that_do_not_fit_are_refused(tmp_path, settings, message):
    pytest.importorskip("pyproj", reason="pyproj is an optional dependency")
    path = segy(tmp_path / "s.sgy", traces(scalco=-10))
    with pytest.raises(SurveyError, match=message):
        read(path, length_unit="degrees", **settings)


@pytest.mark.parametrize(
    ("settings", "source_z", "receiver_z"),
    [
        ({}, 9 - 40, -12), ({"source_z": "depth"}, 9, -12),
        ({"source_z": "elevation"}, -40, -12), ({"receiver_z": "depth"}, 9 - 40, 12),
        ({"datum_m": 100}, 109 - 40, 88), ({"datum_m": 100, "receiver_z": "depth"}, 69, 112),
    ],
)  # fmt: skip
def test_depths_and_elevations_follow_the_convention(tmp_path, settings, source_z, receiver_z):
    path = segy(tmp_path / "s.sgy", traces(sdepth=9, selev=40, gelev=12))
    shot = read(path, **settings).shots[0]
    assert shot.source[0] == source_z
    assert shot.receivers[0, 0] == receiver_z


def test_positions_are_turned_to_the_axes_of_the_grid(tmp_path):
    path = segy(tmp_path / "s.sgy", traces(sx=1100, sy=2200, gx=1000, gy=2300))
    shifted = read(path, origin_m=(2000, 1000))
    assert_at(shifted, [60, 200, 100], [[60, 300, 0]] * 3)
    # The grid's x axis points along the map's Y, its y axis against the map's X.
    turned = read(path, origin_m=(2000, 1000), rotation_deg=90)
    assert_at(turned, [60, -100, 200], [[60, 0, 300]] * 3)
    turned = read(path, rotation_deg=30)
    c, s = np.sqrt(3) / 2, 0.5
    assert_at(turned, [60, 2200 * c - 1100 * s, 1100 * c + 2200 * s],
              [[60, 2300 * c - 1000 * s, 1000 * c + 2300 * s]] * 3)  # fmt: skip


def test_codes_name_receivers_and_dead_traces(tmp_path):
    x = noise(4)
    path = segy(
        tmp_path / "s.sgy",
        [({"trid": code}, y) for code, y in zip((1, 11, 30, 99), x, strict=True)],
    )
    with pytest.raises(SurveyError, match=r"1 \(seismic data\).*\{receiver_codes: \[1\]\}"):
        read(path)
    survey = read(path, receiver_codes=[1, 99], dead_codes=[2, 30])
    np.testing.assert_array_equal(survey.shots[0].data, x[[0, 3]])
    assert "are left out (1 trace)" in survey.attributes["doubtful"]
    assert "11 (pressure sensor) are no receivers" in survey.attributes["doubtful"]


def test_shots_without_numbers_are_told_by_their_sources_or_files(tmp_path):
    x = noise(6)
    fields = [{"fldr": 0, "tracf": 0, "sx": 300 + 10 * (i % 2), "i": i} for i in range(6)]
    path = segy(tmp_path / "s.sgy", list(zip(fields, x, strict=True)))
    one = segy(tmp_path / "one.sgy", [(fields[i], x[i]) for i in (1, 3)])
    with pytest.raises(SurveyError, match=r"has two sources.*\{shot_number: source\}"):
        read(path)
    with pytest.raises(SurveyError, match=r"are 0 in 2 traces.*trace_number: order\}"):
        read(one)
    survey = read(path, shot_number="source", trace_number="order")
    assert [s.id for s in survey.shots] == [1, 2]
    np.testing.assert_array_equal(survey.shots[1].data, x[1::2])
    np.testing.assert_allclose(survey.shots[1].receivers[:, 2], [150, 250, 350])
    files = [
        segy(tmp_path / f"{k}.sgy", [(fields[i], x[i]) for i in range(k, 6, 2)]) for k in (1, 0)
    ]
    survey = read(*files, shot_number="file", trace_number="order")
    np.testing.assert_array_equal(survey.shots[0].data, x[1::2])
    assert [s.source[2] for s in survey.shots] == [310, 300]
    again = read(*files[::-1], shot_number="source", trace_number="order")
    np.testing.assert_array_equal(again.shots[0].data, x[::2])
    with pytest.raises(SurveyError, match=r"1 is in .*1\.sgy' and again in .*one\.sgy"):
        read(files[0], one, shot_number="source", trace_number="order")


def test_traces_numbered_twice_keep_the_order_of_the_file(tmp_path):
    x = noise(3)
    path = segy(tmp_path / "s.sgy", traces(x, tracf=5))
    with pytest.raises(SurveyError, match=r"TraceNumber 5; .*\{trace_number: order\}"):
        read(path)
    survey = read(path, trace_number="order")
    np.testing.assert_array_equal(survey.shots[0].data, x)
    assert_at(survey)


def test_bad_traces_are_left_out_and_counted(tmp_path):
    x = noise(5)
    x[1, 7] = np.nan
    x[2, 9] = -np.inf
    fields = [{}, {}, {}, {"ns": 49}, {}]
    path = segy(tmp_path / "s.sgy", list(zip(fields, x, strict=True)))
    with pytest.raises(SurveyError, match=r"trace 4 has TRACE_SAMPLE_COUNT = 49, expected 50"):
        read(path)
    survey = read(path, on_bad_trace="drop")
    np.testing.assert_array_equal(survey.shots[0].data, x[[0, 4]])
    np.testing.assert_allclose(survey.shots[0].receivers[:, 2], [100, 300])
    assert "drop') are left out (3 traces)" in survey.attributes["doubtful"]
    with pytest.raises(SurveyError, match=r"holds NaN.*\{on_bad_trace: drop\}"):
        read(path, values={"TRACE_SAMPLE_COUNT": 0})


def test_a_layout_stanza_is_ignored_once_that_is_asked_for(tmp_path):
    stanza = b"((SEG: Layout ver 1.0: text/xml))".ljust(3200)
    path = segy(tmp_path / "s.sgy", traces(), after=stanza, ext=1)
    with pytest.raises(SurveyError, match=r"\{ignore: \[layout_stanza\]\}"):
        read(path)
    assert_at(read(path, ignore=["layout_stanza"]))
