"""A disk that is full at any moment is an OSError and no file, never a crash."""

import subprocess
import sys

import h5py
import numpy as np
import pytest

from pvi_hpc.store.new_hdf5 import new_hdf5

#: Writes each kind of file under limits on its size, and prints what came of it.
PROGRAM = """
import resource, sys
from pathlib import Path
import numpy as np
from pvi_hpc.grid import Grid
from pvi_hpc.store.posterior_file import PosteriorSummary, write_posterior
from pvi_hpc.store.samples import write_samples
from pvi_hpc.store.vtkhdf import summary_fields, write_vtkhdf

folder = Path(sys.argv[1])
grid = Grid((20, 30, 40), (10.0, 10.0, 10.0), (0.0, 0.0, 0.0))
one = np.ones(grid.shape, np.float32)
summary = PosteriorSummary(grid, *[one] * 2, {0.5: one}, *[one] * 5, np.zeros(grid.shape, bool))
writers = {
    "posterior": lambda path: write_posterior(summary, path),
    "vtk": lambda path: write_vtkhdf(path, grid, summary_fields(summary)),
    "samples": lambda path: write_samples(path, grid, (one for _ in range(5)), 5),
}
for name, write in writers.items():
    path = folder / name
    write(path)
    size, good = path.stat().st_size, path.read_bytes()
    for limit in (1, 100, 1000, 5000, size // 3, size // 2, size - 5000, size - 1):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        try:
            write(path)
        except OSError as error:
            print(name, error.errno, path.read_bytes() == good)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    write(path)
print(sorted(path.name for path in folder.iterdir()))
"""


def test_a_file_that_finds_no_room_is_an_error_and_leaves_the_old_one(tmp_path):
    command = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.returncode, done.stderr)
    *lines, left = done.stdout.splitlines()
    expected = [f"{name} 27 True" for name in ("posterior", "vtk", "samples") for _ in range(8)]
    assert lines == expected
    assert left == "['posterior', 'samples', 'vtk']"


def test_what_fits_is_read_back_and_takes_the_place_of_the_old_file(tmp_path):
    path = tmp_path / "a.h5"
    path.write_text("old")
    values = np.arange(5000.0)
    with new_hdf5(path) as stream, h5py.File(stream, "w") as file:
        file["values"] = values
        file["deep/er"] = "text"
        np.testing.assert_array_equal(file["values"][3:7], values[3:7])
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file["values"], values)
        assert file["deep/er"].asstr()[()] == "text"


def test_an_error_of_the_writer_stays_what_it_is(tmp_path):
    def write() -> None:
        with new_hdf5(tmp_path / "a.h5") as stream, h5py.File(stream, "w"):
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        write()
    assert not list(tmp_path.iterdir())
