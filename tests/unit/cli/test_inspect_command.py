"""`pvi inspect` prints what a file holds and the lines that settle what is odd."""

import pytest
import yaml
from trace_files import noise, segy
from typer.testing import CliRunner

from pvi_hpc.cli.app import app
from pvi_hpc.cli.inspect import inspect_file
from pvi_hpc.data.header_settings import HeaderSettings
from pvi_hpc.errors import ConfigError


def test_an_odd_file_is_told_with_the_lines_that_settle_it(tmp_path):
    path = segy(tmp_path / "s.sgy", [({"counit": 3}, x) for x in noise(3)], units=2)
    result = CliRunner().invoke(app, ["inspect", str(path)])
    assert result.exit_code == 0, result.output
    for text in (
        "SEG-Y, revision 0.0, big-endian, IEEE float, 3 traces of 50 samples every 4 ms",
        "bytes 81-84                       100 to 200        3",
        "Receivers: z 18.288 to 18.288, y 91.44 to 91.44, x 30.48 to 60.96 m",
        "bytes 3255-3256, = 2",
    ):
        assert text in result.output
    tree = yaml.safe_load(result.output.split("for you to confirm:\n")[1])
    assert HeaderSettings(**tree["survey"]["headers"]).length_unit == "ft"


def test_a_good_file_needs_no_lines(tmp_path):
    path = segy(tmp_path / "s.sgy", [({}, x) for x in noise(3)])
    assert list(inspect_file(path, None, None))[-1] == "It is read as it stands."


def test_files_that_are_none_are_named(tmp_path):
    with pytest.raises(ConfigError, match="there is no such file"):
        list(inspect_file(tmp_path / "none.sgy", None, None))
    (tmp_path / "a").write_text("a")
    with pytest.raises(ConfigError, match="must be segy or su, got 'sgy'"):
        list(inspect_file(tmp_path / "a", "sgy", None))
