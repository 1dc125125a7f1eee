"""Checkpoints: what goes in comes out, and nothing else ever does."""

import resource
import tracemalloc

import h5py
import numpy as np
import pytest

from pvi_hpc.errors import CheckpointError
from pvi_hpc.store.checkpoint import CheckpointStore


def tree(i=0):
    rng = np.random.default_rng(i)
    return {
        "state": {"iteration": i, "parameters": {"mu": rng.standard_normal(5)}},
        "ints": np.arange(3, dtype=np.int32),
        "empty": np.empty((0, 4)),
        "scalar": np.array(2.5),
        "elbo": np.float64(-1.5) if i % 2 else -1.5,
        "name": "Gauß",
        "nothing": "",
    }


def filled(folder, *iterations, **options):
    store = CheckpointStore(folder, "abc", **options)
    for i in iterations:
        store.save(i, tree(i))
    return store


def test_a_tree_comes_back_as_it_was(tmp_path):
    found = filled(tmp_path, 7).load_latest()
    expected = tree(7)
    assert (found.iteration, found.path, found.skipped) == (7, tmp_path / "000007.h5", [])
    assert found.tree.keys() == expected.keys()
    mu = found.tree["state"]["parameters"]["mu"]
    np.testing.assert_array_equal(mu, expected["state"]["parameters"]["mu"], strict=True)
    for name in ("ints", "empty", "scalar"):
        np.testing.assert_array_equal(found.tree[name], expected[name], strict=True)
    assert (found.tree["elbo"], found.tree["name"], found.tree["nothing"]) == (-1.5, "Gauß", "")
    assert isinstance(found.tree["state"]["iteration"], int)


def test_an_empty_folder_has_no_checkpoint(tmp_path):
    assert CheckpointStore(tmp_path / "none", "abc").load_latest() is None


def test_latest_names_the_newest(tmp_path):
    filled(tmp_path, 1, 2)
    assert (tmp_path / "LATEST").read_text() == "000002.h5\n"


def test_the_last_ones_and_every_fiftieth_are_kept(tmp_path):
    store = filled(tmp_path, *range(12), keep_last=3, keep_every=5)
    assert store.iterations() == [0, 5, 9, 10, 11]
    assert not list(tmp_path.glob(".*.tmp"))


@pytest.mark.parametrize("n", range(24))
def test_any_flipped_bit_is_noticed_and_the_one_before_is_used(tmp_path, n):
    store = filled(tmp_path, 3, 4)
    path = tmp_path / "000004.h5"
    content = bytearray(path.read_bytes())
    rng = np.random.default_rng(n)
    # The first ones hit the header, the others anywhere.
    i = int(rng.integers(512 if n < 6 else len(content)))
    content[i] ^= 1 << int(rng.integers(8))
    path.write_bytes(content)
    found = store.load_latest()
    assert found.iteration == 3
    assert found.skipped == [f"'{path}' is damaged: its digest does not match"]


@pytest.mark.parametrize("size", [0, 1, 511, 512, 513, 3000, -1])
def test_a_truncated_file_is_skipped(tmp_path, size):
    store = filled(tmp_path, 3, 4)
    path = tmp_path / "000004.h5"
    path.write_bytes(path.read_bytes()[:size])
    assert store.load_latest().iteration == 3


def test_a_file_under_another_name_is_skipped(tmp_path):
    store = filled(tmp_path, 3)
    (tmp_path / "000009.h5").write_bytes((tmp_path / "000003.h5").read_bytes())
    found = store.load_latest()
    assert found.iteration == 3
    assert "iteration" in found.skipped[0]


def test_files_that_are_not_ours_are_left_alone(tmp_path):
    (tmp_path / "notes.h5").write_text("mine")
    assert filled(tmp_path, *range(1, 9)).iterations() == [6, 7, 8]
    assert (tmp_path / "notes.h5").read_text() == "mine"


def test_only_damaged_checkpoints_are_an_error_and_nothing_is_written(tmp_path):
    filled(tmp_path, 3)
    (tmp_path / "000003.h5").write_bytes(b"x")
    for act in (CheckpointStore.load_latest, lambda store: store.save(9, tree())):
        with pytest.raises(CheckpointError, match=r"000003.h5' is damaged.*remove the folder"):
            act(CheckpointStore(tmp_path, "abc"))
    assert [p.name for p in tmp_path.glob("*.h5")] == ["000003.h5"]


def test_other_settings_are_refused_and_nothing_is_overwritten(tmp_path):
    filled(tmp_path, 3)
    before = (tmp_path / "000003.h5").read_bytes()
    message = r"survey or start \(fingerprint abc, now xyz\). Restore .*'name', or remove"
    for act in (CheckpointStore.load_latest, lambda store: store.save(3, tree())):
        with pytest.raises(CheckpointError, match=message):
            act(CheckpointStore(tmp_path, "xyz"))
    assert (tmp_path / "000003.h5").read_bytes() == before


def test_damaged_newer_ones_do_not_push_out_the_good(tmp_path):
    filled(tmp_path, 4, 5, 6)
    for i in (5, 6):
        (tmp_path / f"{i:06d}.h5").write_bytes(b"x")
    store = CheckpointStore(tmp_path, "abc")
    assert store.load_latest().iteration == 4
    store.save(5, tree(5))
    assert store.iterations() == [4, 5, 6]
    assert store.load_latest().iteration == 5


def test_a_full_disk_leaves_the_last_checkpoint_intact(tmp_path):
    store = filled(tmp_path, 3)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(CheckpointError, match=r"000004.h5'.*Earlier .* are intact"):
            store.save(4, tree(4))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert store.load_latest().iteration == 3
    assert sorted(p.name for p in tmp_path.iterdir()) == ["000003.h5", "LATEST"]


def test_a_folder_that_cannot_be_made_is_one_clear_error(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CheckpointError, match="Cannot write the checkpoint"):
        CheckpointStore(tmp_path / "file" / "checkpoints", "abc").save(1, tree())


def test_a_checkpoint_is_plain_hdf5(tmp_path):
    filled(tmp_path, 3)
    with h5py.File(tmp_path / "000003.h5") as file:
        assert dict(file.attrs) == {"schema": 1, "fingerprint": "abc", "iteration": 3}
        assert len(file["state/parameters/mu"].attrs["blake2b"]) == 128


def large_tree():
    """Arrays that are streamed: two precisions, a transposed view, and the smallest one."""
    rng = np.random.default_rng(8)
    field = rng.standard_normal((40, 30, 200))
    arrays = {"field": field, "single": field.astype(np.float32), "view": field.T}
    return {"state": {**arrays, "edge": np.arange(2**16, dtype=np.uint8)}, "i": 3}


def test_large_arrays_come_back_as_they_were(tmp_path):
    tree = large_tree()
    store = CheckpointStore(tmp_path, "abc")
    path = store.save(3, tree)
    found = store.load_latest().tree
    assert found["i"] == 3
    with h5py.File(path) as file:
        for name, array in tree["state"].items():
            np.testing.assert_array_equal(found["state"][name], array, strict=True)
            np.testing.assert_array_equal(file["state"][name], array)


@pytest.mark.parametrize("place", [0.1, 0.5, 0.9])
def test_a_flipped_bit_in_a_large_array_is_noticed(tmp_path, place):
    store = CheckpointStore(tmp_path, "abc")
    store.save(3, tree(3))
    path = store.save(4, large_tree())
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 1
    path.write_bytes(content)
    assert store.load_latest().iteration == 3


def test_writing_copies_no_array_and_reading_holds_one_copy(tmp_path):
    megabytes = 2**20
    arrays = {name: np.full(12 * megabytes, 1.5, np.float32) for name in ("x", "first")}
    store = CheckpointStore(tmp_path, "abc")
    tracemalloc.start()
    try:
        store.save(1, arrays)
        assert tracemalloc.get_traced_memory()[1] < 4 * megabytes
        tracemalloc.reset_peak()
        found = store.load(1).tree
        assert tracemalloc.get_traced_memory()[1] < 96 * megabytes + 40 * megabytes
    finally:
        tracemalloc.stop()
    np.testing.assert_array_equal(found["x"], arrays["x"])
