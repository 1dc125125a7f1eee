"""Keys and job scripts on a disk that a group shares."""

import os
import stat

import pytest

from pvi_hpc.errors import ConfigError
from pvi_hpc.execution.cluster.own_folders import make_own


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize(("private", "expected"), [(False, 0o755), (True, 0o700)])
def test_a_folder_is_closed_to_the_group_whatever_the_umask(tmp_path, private, expected):
    before = os.umask(0)
    try:
        made, found = tmp_path / "run" / "workers", tmp_path / "found"
        found.mkdir(mode=0o777)
        make_own(made, private=private)
        make_own(found, private=private)
    finally:
        os.umask(before)
    assert mode(made) == mode(found) == expected


def test_a_link_in_the_place_of_a_folder_is_refused(tmp_path):
    mine = tmp_path / "www"
    mine.mkdir(mode=0o755)
    (tmp_path / "private").symlink_to(mine)
    with pytest.raises(ConfigError, match=r"must be a folder of yours.*a link.*Move it away"):
        make_own(tmp_path / "private", private=True)
    assert mode(mine) == 0o755


@pytest.mark.skipif(os.getuid() != 0, reason="only root can play two users")
def test_a_folder_of_another_user_is_refused(tmp_path):
    folder = tmp_path / "workers"
    folder.mkdir()
    os.chown(folder, 65534, 65534)
    with pytest.raises(ConfigError, match=r"must be a folder of yours.*nobody's"):
        make_own(folder)
