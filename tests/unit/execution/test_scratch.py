"""Folders in places that every user can write to: what is swept and what is left alone."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from pvi_hpc.execution.gang import scratch
from pvi_hpc.execution.gang.scratch import (
    DASK,
    PREFIX,
    SEGMENTS,
    SEMAPHORE,
    make_scratch,
    owned,
    remove_scratch,
    sweep,
)

DEAD = 2**22 - 3
SPACE = Path("/proc/self/ns/pid").stat().st_ino
AS_ROOT = pytest.mark.skipif(os.getuid() != 0, reason="only root can play two users")
STRANGER = 65534


@pytest.fixture
def places(tmp_path, monkeypatch):
    """Two folders in place of /dev/shm and the temporary one."""
    memory, temporary = tmp_path / "shm", tmp_path / "tmp"
    for place in (memory, temporary):
        place.mkdir()
        place.chmod(0o1777)
    monkeypatch.setattr(scratch, "MEMORY", memory)
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    return memory, temporary


def dead_folder(place, *, prefix=PREFIX, user=None, space=SPACE, mode=0o700, segments=""):
    folder = place / f"{prefix}-{os.getuid() if user is None else user}-{DEAD}-1-{space}-abc"
    folder.mkdir()
    (folder / SEGMENTS).write_text(segments)
    folder.chmod(mode)
    return folder


def test_folders_of_dead_owners_are_swept_and_of_the_living_kept(places):
    dead = [dead_folder(place, prefix=p) for place in places for p in (PREFIX, DASK)]
    kept = [place / (owned(DASK) + "abc") for place in places]
    for folder in kept:
        folder.mkdir(mode=0o700)
    sweep()
    assert not any(folder.exists() for folder in dead)
    assert all(folder.exists() for folder in kept)


@pytest.mark.parametrize(
    "name",
    [
        f"{PREFIX}-{os.getuid()}-x",
        f"{PREFIX}-{os.getuid()}-old-2024-a-b-c",
        f"{PREFIX}-{os.getuid()}-",
        f"{PREFIX}-{os.getuid()}-{DEAD}-1",
        f"{PREFIX}-{os.getuid()}-{DEAD}-1-{SPACE}-abc\n",
        f"{PREFIX}-{os.getuid()}-{'9' * 200}-1-{SPACE}-abc-",
        f"{PREFIX}-{os.getuid()}-\N{ARABIC-INDIC DIGIT ONE}-1-{SPACE}-abc",
    ],
)
def test_a_name_that_does_not_parse_is_left_alone(places, name):
    (places[0] / name).mkdir(mode=0o700)
    sweep()
    assert (places[0] / name).exists()


def test_a_process_that_cannot_be_seen_from_here_is_not_dead(places):
    folder = dead_folder(places[0], space=SPACE + 1)
    sweep()
    assert folder.exists()


def test_what_others_can_write_to_is_left_alone_and_not_read(places, tmp_path):
    thesis = tmp_path / "thesis.tex"
    thesis.write_text("years of work")
    bait = dead_folder(places[0], mode=0o755, segments=f"{thesis}\n")
    sweep()
    assert bait.exists()
    assert thesis.exists()


@AS_ROOT
@pytest.mark.parametrize("mode", [0o700, 0o755, 0o777])
def test_a_folder_of_another_user_in_our_name_is_left_alone(places, tmp_path, mode):
    thesis = tmp_path / "thesis.tex"
    thesis.write_text("years of work")
    bait = dead_folder(places[0], segments=f"{thesis}\n")
    os.chown(bait, STRANGER, STRANGER)
    bait.chmod(mode)
    sweep()
    assert bait.exists()
    assert thesis.exists()


def test_a_link_in_our_name_is_not_followed(places, tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir(mode=0o700)
    (mine / "file").touch()
    name = dead_folder(places[0])
    (name / SEGMENTS).unlink()
    name.rmdir()
    name.symlink_to(mine)
    sweep()
    assert name.is_symlink()
    assert (mine / "file").exists()


def test_a_pipe_in_our_name_is_not_waited_for(places):
    dead = dead_folder(places[0])
    (dead / SEGMENTS).unlink()
    os.mkfifo(dead / SEGMENTS)
    pipe = places[1] / f"{PREFIX}-{os.getuid()}-{DEAD}-1-{SPACE}-abc"
    os.mkfifo(pipe)
    sweep()
    assert not dead.exists()
    assert pipe.exists()


def test_only_shared_memory_of_mpi_is_removed_with_a_folder(places, tmp_path):
    memory, _ = places
    thesis = tmp_path / "thesis.tex"
    other = memory / "other"
    segment, linked = memory / "mpich_shm_1_0", memory / "mpich_shm_2_0"
    for path in (thesis, segment, other):
        path.touch()
    linked.symlink_to(thesis)
    listed = [thesis, segment, linked, other, memory / "mpich_/../other", "/etc/mpich_none"]
    folder = dead_folder(memory, segments="\n".join(map(str, listed)))
    sweep()
    assert not folder.exists()
    assert not segment.exists()
    assert thesis.exists()
    assert other.exists()
    assert linked.is_symlink()


@AS_ROOT
def test_shared_memory_of_another_user_is_not_removed(places):
    segment = places[0] / "mpich_shm_1_0"
    segment.touch()
    os.chown(segment, STRANGER, STRANGER)
    dead_folder(places[0], segments=segment.name)
    sweep()
    assert segment.exists()


def test_a_folder_is_for_this_user_only_whatever_the_umask(places, monkeypatch):
    monkeypatch.setattr(scratch, "LONGEST_SOCKET", 1000)
    places[0].chmod(0o3777)  # Folders in it inherit its group, and one more bit of the mode.
    before = os.umask(0)
    try:
        folder = make_scratch(0)
    finally:
        os.umask(before)
    assert folder.stat().st_mode & 0o777 == 0o700
    remove_scratch(folder)
    assert not folder.exists()


def test_a_temporary_directory_too_long_for_a_socket_is_refused(places, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / ("long" * 20)))
    with pytest.raises(OSError, match="set TMPDIR to a shorter path"):
        make_scratch(2**62)


def test_semaphores_of_the_dead_are_swept_and_those_of_others_kept(places):
    memory, _ = places
    dead = memory / f"sem.{SEMAPHORE}-{os.getuid()}-{DEAD}-1-{SPACE}-a_b1c2d3"
    kept = [memory / f"sem.{owned(SEMAPHORE)}a1b2c3d4", memory / "sem.mp-a1b2c3d4"]
    for path in (dead, *kept):
        path.touch(mode=0o600)
    sweep()
    assert not dead.exists()
    assert all(path.exists() for path in kept)


def test_semaphores_are_named_after_their_process():
    code = (
        "import multiprocessing, os, pathlib\n"
        "from pvi_hpc.execution.gang.scratch import SEMAPHORE, name_semaphores, owned\n"
        "name_semaphores()\n"
        "queue = multiprocessing.get_context('spawn').Queue()\n"
        "print(len(list(pathlib.Path('/dev/shm').glob(f'sem.{owned(SEMAPHORE)}*'))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) >= 2
