"""Checkpoints that rot, and disks that fill up while they are written."""

import os
import random
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chain import Chain

__all__ = ["fill_disk", "flip_bits"]

#: Room of the disk that is filled [bytes].
DISK = 16 * 2**20


def flip_bits(chain: Chain, count: int, rng: random.Random) -> None:
    """Flip one bit of the newest checkpoint, at random, before each resumption."""
    chain.start(until=4).wait(timeout=180)
    skipped = 0
    for i in range(count):
        newest = max((chain.run / "checkpoints").glob("*.h5"))
        content = bytearray(newest.read_bytes())
        bit = rng.randrange(8 * len(content))
        content[bit // 8] ^= 1 << bit % 8
        newest.write_bytes(content)
        before = chain.log.count("Skipped checkpoint")
        code = chain.start(until=4 + 2 * (i + 1)).wait(timeout=180)
        assert code == 0, chain.log[-3000:]
        skipped += chain.log.count("Skipped checkpoint") - before
    chain.finish()
    assert skipped > 0, "No flipped bit was noticed."


def fill_disk(chain: Chain, count: int, rng: random.Random) -> None:
    """Fill the disk of the run while it runs, make room, and go on."""
    with _small_disk(chain.run):
        for _ in range(count):
            process = chain.start()
            chain.advance(rng.randint(1, 3))
            ballast = chain.run / "ballast"
            _fill(ballast, leave=rng.randrange(4096, 65536))
            code = process.wait(timeout=120)
            assert code not in (0, 75), chain.log[-3000:]
            assert "No space left on device" in chain.log[-5000:], chain.log[-5000:]
            chain.check_gone()
            ballast.unlink()
        chain.finish()


@contextmanager
def _small_disk(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "pvi-small", str(folder)]
    subprocess.run(mount, check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def _fill(path: Path, leave: int) -> None:
    """Write until `leave` bytes are free, in small steps at the end."""
    room = os.statvfs(path.parent)
    with path.open("wb") as file:
        file.write(bytes(max(room.f_bavail * room.f_frsize - leave, 0)))
