"""Tables of picks."""

import numpy as np
import pytest

from pvi_hpc.data.picks import read_picks
from pvi_hpc.errors import SurveyError


def write(folder, text, name="picks.csv"):
    path = folder / name
    path.write_text(text)
    return path


def test_positions_in_degrees_and_missing_picks(tmp_path):
    path = write(
        tmp_path,
        "source_lat_deg,source_lon_deg,receiver_lat_deg,receiver_lon_deg,travel_time_s\n"
        "-27.5,147.25,-30,140,12.5\n-27.5,147.25,-31,141,\n1,2,3,4,0\n1,2,3,4,nan\n",
    )
    found = read_picks(path)
    assert found.units == "degrees" and found.noise_sd is None
    np.testing.assert_array_equal(found.sources[0], [0, -27.5, 147.25])
    np.testing.assert_array_equal(found.receivers[1], [0, -31, 141])
    np.testing.assert_array_equal(np.isnan(found.times), [False, True, True, True])


def test_names_of_stations_and_errors_of_picks(tmp_path):
    stations = write(tmp_path, "station, y_m, x_m, z_m\nA,1,2,3\nB b,4,5,6\n", "stations.csv")
    path = write(
        tmp_path, "source_station,receiver_station,travel_time_s,sd_s\nA,B b,2.5,0.25\n"
    )
    found = read_picks(path, stations)
    assert found.units == "metres"
    np.testing.assert_array_equal(found.sources, [[3, 1, 2]])
    np.testing.assert_array_equal(found.receivers, [[6, 4, 5]])
    assert (found.times[0], found.noise_sd[0]) == (2.5, 0.25)


HEAD = "source_y_m,source_x_m,receiver_y_m,receiver_x_m,travel_time_s,sd_s\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must have a line of names"),
        ("a,b\n1,2\n", "must have a column 'travel_time_s', got a, b"),
        ("source_y_m,travel_time_s\n1,2\n", "must have the columns 'source_lat_deg' and"),
        (HEAD + "1,2,3,4,5,x\n", "line 2: 'sd_s' must be a number, got 'x'"),
        (HEAD + "1,2,3,4,5,0\n", "line 2: 'sd_s' must be positive, got 0"),
        (HEAD + "1,2,3,4,5,1\n1,2,3,4,-5,1\n", "line 3: 'travel_time_s' must be positive"),
        (HEAD + "1,,3,4,5,1\n", "line 2: 'source_y_m, source_x_m' must be numbers"),
        (HEAD.replace("y_m", "lat_deg").replace("x_m", "lon_deg") + "91,2,3,4,5,1\n", "-90 to"),
        ("source_station,receiver_station,travel_time_s\nA,B,1\n", "give the file of stations"),
    ],
)
def test_tables_that_cannot_be_used_are_refused(tmp_path, text, message):
    with pytest.raises(SurveyError, match=message):
        read_picks(write(tmp_path, text))


def test_stations_that_are_not_there_are_refused(tmp_path):
    path = write(tmp_path, "source_station,receiver_station,travel_time_s\nA,C,1\n")
    stations = write(tmp_path, "station,lat_deg,lon_deg\nA,1,2\n", "stations.csv")
    with pytest.raises(SurveyError, match="pick 1: 'receiver_station' must be a station of"):
        read_picks(path, stations)
    with pytest.raises(SurveyError, match="must be a CSV file that can be read"):
        read_picks(path, tmp_path / "absent.csv")
    other = write(tmp_path, "name,lat_deg,lon_deg\nA,1,2\n", "other.csv")
    with pytest.raises(SurveyError, match="must have a column 'station'"):
        read_picks(path, other)
