"""Files that are either the old one or the whole new one, whenever the power goes."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["atomic_path", "naming", "write_text"]


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it becomes `path`.

    The file must be written and closed inside the block. It is then flushed to the disk,
    renamed (atomic on POSIX) and its directory flushed, so that `path` never holds half a
    file. If the block raises, `path` is untouched and the temporary file is removed; after
    a kill a file `.NAME.*.tmp` may stay, which nothing reads.

    Missing parent directories are made.

    Raises
    ------
    OSError
        If the disk is full or read-only; it names `path`, which is then untouched.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".tmp")
    os.close(handle)
    temporary = Path(name)
    try:
        with naming(target):
            yield temporary
            temporary.chmod(0o666 & ~_umask())  # mkstemp makes files that only the owner reads
            _flush(temporary)
            temporary.replace(target)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    _flush(target.parent)


@contextmanager
def naming(path: str | Path) -> Iterator[None]:
    """Give errors of the disk the name of a file, which a write that fails does not know."""
    try:
        yield
    except OSError as error:
        if not error.errno or error.filename is not None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


def write_text(path: str | Path, text: str) -> None:
    """Write a small UTF-8 text file atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _umask() -> int:
    # The only portable way to read it is to set it.
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
