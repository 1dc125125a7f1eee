"""NumPy files: the bytes of numpy.save, and an error with a number where there is no room."""

import errno
import resource

import numpy as np
import pytest

from pvi_hpc.store.numpy_file import write_array, write_stack

VALUES = np.random.default_rng(4).normal(size=(50, 7, 30))


@pytest.fixture
def small_files():
    """No file may be larger than 5,000 bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, ">f8", np.int16])
def test_an_array_has_the_bytes_of_numpy(tmp_path, dtype):
    array = (100 * VALUES).astype(dtype)
    np.save(tmp_path / "theirs.npy", array)
    write_array(tmp_path / "ours.npy", array)
    write_stack(tmp_path / "stack.npy", array.shape, iter(array), dtype)
    theirs = (tmp_path / "theirs.npy").read_bytes()
    assert (tmp_path / "ours.npy").read_bytes() == theirs
    assert (tmp_path / "stack.npy").read_bytes() == theirs


def test_an_array_that_is_a_view_is_written_in_its_own_order(tmp_path):
    turned = VALUES.T[::2]
    write_array(tmp_path / "a.npy", turned)
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), turned)


def test_a_file_that_finds_no_room_is_an_error_with_its_name_and_the_old_file(
    tmp_path, small_files
):
    path = tmp_path / "a.npy"
    write_array(path, VALUES[0])
    old = path.read_bytes()
    for write in (
        lambda: write_array(path, VALUES),
        lambda: write_stack(path, VALUES.shape, iter(VALUES), VALUES.dtype),
    ):
        with pytest.raises(OSError, match="File too large") as raised:
            write()
        assert raised.value.errno == errno.EFBIG
        assert raised.value.filename == str(path)
        assert path.read_bytes() == old
        assert [found.name for found in tmp_path.iterdir()] == ["a.npy"]


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((49, 7, 30), "must be 49 .*got number 50"),
        ((51, 7, 30), "must be 51, got 50"),
        ((50, 7, 31), r"shape \(7, 31\), got number 1 of shape \(7, 30\)"),
    ],
)
def test_arrays_that_are_not_what_was_said_are_refused(tmp_path, shape, message):
    with pytest.raises(ValueError, match=message):
        write_stack(tmp_path / "a.npy", shape, iter(VALUES), VALUES.dtype)
    assert not list(tmp_path.iterdir())
