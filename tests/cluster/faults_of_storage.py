"""Checkpoints that rot, and disks that fill up while they are written."""

import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from chain import Chain

__all__ = ["fill_disk", "flip_bits"]

#: Room of the disk that is filled [bytes].
DISK = 16 * 2**20


def flip_bits(chain: Chain, count: int, rng: random.Random) -> None:
    """Flip one bit of the newest checkpoint, at random, before each resumption."""
    _complete(chain, 4)
    for i in range(count):
        newest = max((chain.run / "checkpoints").glob("*.h5"))
        content = bytearray(newest.read_bytes())
        bit = rng.randrange(8 * len(content))
        content[bit // 8] ^= 1 << bit % 8
        newest.write_bytes(content)
        before = len(chain.log)
        _complete(chain, 4 + 2 * (i + 1))
        message = f"Skipped checkpoint: '{newest.relative_to(chain.folder)}'"
        assert message in chain.log[before:], f"Bit {bit} of {newest} was not noticed."


def _complete(chain: Chain, until: int) -> None:
    chain.start(until)
    code = chain.wait_end()
    assert code == 0, chain.log[-3000:]


def fill_disk(chain: Chain, count: int, rng: random.Random) -> None:
    """Fill the disk of the run while it runs, make room, and go on."""
    with _small_disk(chain.run):
        for _ in range(count):
            chain.start()
            chain.advance(rng.randint(1, 3))
            before, ballast = len(chain.log), chain.run / "ballast"
            _fill(ballast, leave=rng.randrange(4096, 65536))
            code = chain.wait_end()
            said = chain.log[before:]
            assert code == 2 and "No space left on device" in said, f"{code}: {said[-5000:]}"
            assert "Traceback" not in said, said[-5000:]
            chain.check_gone()
            ballast.unlink()


@contextmanager
def _small_disk(folder: Path) -> Iterator[None]:
    """Put a small disk in the place of a folder; afterwards the folder holds what it held."""
    folder.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "pvi-small", str(folder)]
    subprocess.run(mount, check=True)
    try:
        yield
    finally:
        try:
            kept = shutil.copytree(folder, folder.with_name("kept"))
        finally:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)
        shutil.copytree(kept, folder, dirs_exist_ok=True)


def _fill(path: Path, leave: int) -> None:
    """Write until at most `leave` bytes are free, whatever others write or remove meanwhile."""
    with path.open("wb", buffering=0) as file:
        while (room := os.statvfs(path.parent)).f_bavail * room.f_frsize > leave:
            with suppress(OSError):
                file.write(bytes(room.f_bavail * room.f_frsize - leave))
