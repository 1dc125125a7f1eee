"""A file is the old one or the new one, never half of one."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pvi_hpc.store.atomic import atomic_path, write_text


def test_the_new_file_replaces_the_old_one_only_at_the_end(tmp_path):
    target = tmp_path / "new" / "value.txt"
    write_text(target, "old")
    with atomic_path(target) as temporary:
        temporary.write_text("new")
        assert temporary.parent == target.parent
        assert target.read_text() == "old"
    assert target.read_text() == "new"
    assert [p.name for p in target.parent.iterdir()] == ["value.txt"]


def test_an_error_inside_the_block_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / "value.txt"
    write_text(target, "old")
    with pytest.raises(RuntimeError, match="disk"), atomic_path(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError("disk")
    assert target.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["value.txt"]


def test_a_kill_in_mid_write_leaves_the_old_file(tmp_path):
    target = tmp_path / "value.txt"
    write_text(target, "old")
    code = (
        "import os, signal, sys\n"
        "from pvi_hpc.store.atomic import atomic_path\n"
        "with atomic_path(sys.argv[1]) as p:\n"
        "    p.write_text('half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(target)], check=False)
    assert killed.returncode == -9
    assert target.read_text() == "old"


def test_data_is_flushed_before_the_rename_and_the_directory_after(tmp_path, monkeypatch):
    events = []
    fsync, replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda h: (events.append("fsync"), fsync(h))[1])
    monkeypatch.setattr(
        Path, "replace", lambda a, b: (events.append("rename"), replace(a, b))[1]
    )
    write_text(tmp_path / "value.txt", "x")
    assert [e for i, e in enumerate(events) if i == 0 or events[i - 1] != e] == [
        "fsync",
        "rename",
        "fsync",
    ]


def test_an_error_of_a_write_names_the_file_and_others_stay_as_they_are(tmp_path):
    target = tmp_path / "value.txt"
    for raised, named in (
        (OSError(errno.ENOSPC, "No space left on device"), str(target)),
        (OSError(errno.ENOENT, "No such file", "other"), "other"),
        (OSError("3 requested and 2 written"), None),
    ):
        with pytest.raises(OSError) as found, atomic_path(target):
            raise raised
        assert found.value.filename == named
        assert (found.value.errno, str(found.value.args[-1])) == (
            raised.errno,
            str(raised.args[-1]),
        )


def test_the_file_has_the_mode_of_an_ordinary_file(tmp_path):
    ordinary = tmp_path / "ordinary"
    ordinary.touch()
    write_text(tmp_path / "value.txt", "x")
    assert (tmp_path / "value.txt").stat().st_mode == ordinary.stat().st_mode
