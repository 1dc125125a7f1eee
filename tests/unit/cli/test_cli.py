"""Messages of the `pvi` command for errors that the user can act on."""

import errno
import os

import pytest

import pvi_hpc.cli


def test_a_full_disk_is_a_message_and_other_errors_of_files_are_bugs(monkeypatch, capsys):
    def fail(number):
        def app():
            raise OSError(number, os.strerror(number), "results/run/lease.json")

        return app

    monkeypatch.setattr(pvi_hpc.cli, "app", fail(errno.ENOSPC))
    with pytest.raises(SystemExit, match="2"):
        pvi_hpc.cli.main()
    said = capsys.readouterr().err
    assert "No space left on device: 'results/run/lease.json'. Make room" in said
    monkeypatch.setattr(pvi_hpc.cli, "app", fail(errno.ENOTDIR))
    with pytest.raises(NotADirectoryError):
        pvi_hpc.cli.main()
