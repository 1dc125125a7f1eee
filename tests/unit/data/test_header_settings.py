"""Settings of headers: what is refused, and that begun runs keep their identity."""

import pytest
from pydantic import ValidationError

from pvi_hpc.data.header_settings import HeaderSettings
from pvi_hpc.data.settings import SurveySettings

SURVEY = {"format": "segy", "files": ["a.sgy"], "noise_sd": 1, "wavelet": {"file": "w.txt"}}


def test_a_survey_that_says_nothing_of_headers_is_the_one_it_was():
    assert "headers" not in SurveySettings(**SURVEY).lasting()
    other = SurveySettings(**SURVEY, headers={"swap_xy": True}).lasting()
    assert other["headers"]["swap_xy"] is True


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("9-12", (9, "i4")), (" 29 - 30 unsigned", (29, "u2")), ("5-5", (5, "i1")),
        ("201-208 float", (201, "f8")), ("73-76 ibm", (73, "ibm4")), ("241-244", (241, "i4")),
    ],
)  # fmt: skip
def test_words_are_named_by_their_bytes(text, word):
    assert HeaderSettings(bytes={"SourceX": text}).words == {"SourceX": word}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"bytes": {"SourceZ": "9-12"}}, "must name words among .*SourceX.*, got 'SourceZ'"),
        ({"bytes": {"SourceX": "193"}}, "its first and last byte, counted from 1"),
        ({"bytes": {"SourceX": "0-3"}}, "counted from 1.*got '0-3'"),
        ({"bytes": {"SourceX": "9-12 text"}}, "got '9-12 text'"),
        ({"bytes": {"SourceX": "9-11"}}, "must have 1 or 2 or 4 or 8 bytes as integer.*has 3"),
        ({"bytes": {"SourceX": "9-16 unsigned"}}, "must have 1 or 2 or 4 bytes"),
        ({"bytes": {"SourceX": "239-242"}}, "must lie in one header of 240 bytes"),
        ({"bytes": {"FieldRecord": "9-12 float"}}, "FieldRecord must be a whole number"),
        ({"values": {"Interva": 4000}}, "must name words among .*Interval.*got 'Interva'"),
        ({"values": {"FieldRecord": 1.5}}, "FieldRecord must be a whole number, got 1.5"),
        ({"values": {"SourceX": 3e9}}, "must be less than 2147483648"),
        (
            {"bytes": {"SourceX": "9-12"}, "values": {"SourceX": 1}},
            "must not both name SourceX",
        ),
        ({"length_unit": "degrees"}, "'length_unit: degrees' needs 'projection'"),
        ({"projection": "EPSG:32631"}, "'projection' has no effect with 'length_unit: null'"),
        ({"receiver_codes": [1, 2]}, "must not both name 2"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(settings, message):
    with pytest.raises(ValidationError, match=message):
        HeaderSettings(**settings)


def test_headers_of_a_survey_without_any_are_refused():
    with pytest.raises(ValidationError, match=r"'headers' has no effect with 'format: hdf5'"):
        SurveySettings(format="hdf5", files=["a.h5"], headers={"swap_xy": True})
