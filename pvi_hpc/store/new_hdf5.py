"""New HDF5 files of any size on disks that may be full.

The HDF5 library crashes the process where it cannot write what it has promised to write: a
full disk would be a segmentation fault, seconds after the error. Here it writes into a file
object that never refuses. The first error of the disk is kept, nothing more is written after
it, and it is raised when HDF5 has closed the file and nothing of it can crash any more.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pvi_hpc.store.atomic import atomic_path

__all__ = ["PatientFile", "new_hdf5"]


@contextmanager
def new_hdf5(path: str | Path) -> Iterator["PatientFile"]:
    """Yield a file object for `h5py.File(..., "w")`; `path` is replaced when all went well.

    The HDF5 file must be closed inside the block.

    Raises
    ------
    OSError
        If the disk is full or read-only; `path` is then untouched.
    """
    with atomic_path(path) as temporary, temporary.open("r+b", buffering=0) as raw:
        stream = PatientFile(raw)
        try:
            yield stream
        except Exception as error:
            if stream.error is not None:
                raise stream.error from error
            raise
        stream.check()


class PatientFile(io.RawIOBase):
    """Writes into `raw` until that fails; from then on nothing, without a word."""

    def __init__(self, raw: io.FileIO) -> None:
        super().__init__()
        self._raw = raw
        self.error: OSError | None = None

    def check(self) -> None:
        """Raise the first error of the disk, if there was one."""
        if self.error is not None:
            raise self.error

    def write(self, data: Any) -> int:
        """Write all of `data`; return its length, also where the disk took less."""
        content = memoryview(data).cast("B")
        written = 0
        try:
            while self.error is None and written < len(content):
                written += self._raw.write(content[written:]) or 0
        except OSError as error:
            self.error = error
        return len(content)

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer` from the present place; with zeros where nothing was written."""
        content = memoryview(buffer).cast("B")
        found = self._raw.readinto(content) or 0
        content[found:] = bytes(len(content) - found)
        return len(content)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place."""
        return self._raw.seek(offset, whence)

    def tell(self) -> int:
        """Return the present place."""
        return self._raw.tell()

    def truncate(self, size: int | None = None) -> int:
        """Set the size."""
        if self.error is None:
            try:
                return self._raw.truncate(size)
            except OSError as error:
                self.error = error
        return self.tell() if size is None else size

    def readable(self) -> bool:
        """Return True."""
        return True

    def writable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True
