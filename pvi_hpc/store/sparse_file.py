"""A file without its large arrays: what HDF5 writes around them, streamed with them."""

import io
from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["SparseFile"]

#: Bytes handed on at a time: those just read for a digest are still in cache.
PIECE: Final = 2**24


class SparseFile(io.RawIOBase):
    """Keeps what is written, by place; all else reads as zeros and takes no memory."""

    def __init__(self) -> None:
        super().__init__()
        self._pieces: list[tuple[int, bytes]] = []
        self._at, self._size = 0, 0

    def stream(self, start: int, arrays: Mapping[int, NDArray[Any]]) -> Iterator[memoryview]:
        """Yield the bytes from `start` on, in order, with `arrays` at the offsets given."""
        for offset in sorted(arrays):
            yield self._between(start, offset)
            content = arrays[offset].reshape(-1).view(np.uint8).data
            for first in range(0, len(content), PIECE):
                yield content[first : first + PIECE]
            start = offset + len(content)
        yield self._between(start, self._size)

    def _between(self, start: int, stop: int) -> memoryview:
        """Return the bytes `start` to `stop`; later writes hide earlier ones."""
        content = bytearray(stop - start)
        for at, piece in self._pieces:
            first, last = max(start, at), min(stop, at + len(piece))
            if first < last:
                content[first - start : last - start] = piece[first - at : last - at]
        return memoryview(content)

    def write(self, data: Any) -> int:
        """Keep `data` at the present place."""
        piece = bytes(data)
        self._pieces.append((self._at, piece))
        self._at += len(piece)
        self._size = max(self._size, self._at)
        return len(piece)

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer` from the present place."""
        stop = min(self._size, self._at + len(buffer))
        content = self._between(self._at, max(self._at, stop))
        buffer[: len(content)] = content
        self._at += len(content)
        return len(content)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place."""
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}
        self._at = origin[whence] + offset
        return self._at

    def tell(self) -> int:
        """Return the present place."""
        return self._at

    def truncate(self, size: int | None = None) -> int:
        """Set the size; nothing is allocated."""
        self._size = self._at if size is None else size
        return self._size

    def readable(self) -> bool:
        """Return True."""
        return True

    def writable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True
