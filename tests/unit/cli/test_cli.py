"""Messages of the `pvi` command for errors that the user can act on."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

import pvi_hpc.cli


def test_a_full_disk_is_a_message_and_other_errors_of_files_are_bugs(monkeypatch, capsys):
    def fail(number):
        def app():
            raise OSError(number, os.strerror(number), "results/run/lease.json")

        return app

    whys = {
        errno.ENOSPC: "No space left on device",
        errno.EDQUOT: "Disk quota exceeded",
        errno.EROFS: "Read-only file system",
        errno.EFBIG: "File too large",
    }
    for number, why in whys.items():
        monkeypatch.setattr(pvi_hpc.cli, "app", fail(number))
        with pytest.raises(SystemExit, match="2"):
            pvi_hpc.cli.main()
        said = capsys.readouterr().err
        assert f"{why}: 'results/run/lease.json'. Make room" in said
    monkeypatch.setattr(pvi_hpc.cli, "app", fail(errno.ENOTDIR))
    with pytest.raises(NotADirectoryError):
        pvi_hpc.cli.main()


@pytest.mark.parametrize(
    ("app", "code"), [("print('x')", 0), ("raise ConfigError('wrong')", 2)]
)
def test_a_log_without_room_does_not_change_the_exit_code(app, code):
    program = (
        "import pvi_hpc.cli\nfrom pvi_hpc.errors import ConfigError\n"
        f"def app():\n    print('before')\n    {app}\n"
        "pvi_hpc.cli.app = app\npvi_hpc.cli.main()\n"
    )
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-c", program]
        buffered = {**os.environ, "PYTHONUNBUFFERED": ""}
        done = subprocess.run(command, stdout=full, stderr=full, env=buffered, check=False)
    assert done.returncode == code
