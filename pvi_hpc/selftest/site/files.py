"""Is the folder of runs fast enough, and how late do the workers see what is written there?"""

import os
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from pvi_hpc.execution.gang.launchers import want_of_memory
from pvi_hpc.selftest.outcome import Outcome, failed, passed

__all__ = ["check_bandwidth", "check_shared_memory", "check_visibility"]

SIZE: Final = 64 * 2**20
#: Speed below which a checkpoint of 100 MB takes more than 5 s [MB/s].
SLOW: Final = 20.0
#: Delay of a file that `latency-wait` of the cluster profiles allows for [s].
LONGEST_DELAY_S: Final = 60.0


def check_bandwidth(folder: Path) -> Iterator[Outcome]:
    """Write and read a file as a checkpoint is, flushed to the disk."""
    what, path, block = "run directory", folder / "bandwidth", os.urandom(2**20)
    try:
        start = time.monotonic()
        with path.open("wb") as file:
            for _ in range(SIZE // len(block)):
                file.write(block)
            file.flush()
            os.fsync(file.fileno())
        written = SIZE / 1e6 / (time.monotonic() - start)
        start = time.monotonic()
        path.read_bytes()
        read = SIZE / 1e6 / (time.monotonic() - start)
    except OSError as error:
        yield failed(what, str(error), "make room there, or start in a folder you can write to")
        return
    finally:
        path.unlink(missing_ok=True)
    seen = f"{folder.parent}: writes {written:.0f} MB/s, reads {read:.0f} MB/s (cached)"
    if written < SLOW:
        yield failed(
            what, seen, "start pvi on the parallel file system, not in a home directory"
        )
        return
    yield passed(what, seen)


def check_shared_memory(client: Any, hosts: dict[str, str], ranks: int) -> Iterator[Outcome]:
    """Ask every worker whether `/dev/shm` there holds what the MPI ranks of its node share."""
    what = "shared memory"
    workers = Counter(hosts.values())
    for address, host in sorted(hosts.items(), key=lambda item: item[1]):
        options = {"workers": [address], "pure": False}
        asked = client.submit(want_of_memory, ranks * workers[host], **options)
        if want := asked.result(timeout=60):
            yield failed(what, f"{host}: {want}", "enlarge /dev/shm, or use fewer ranks a node")
            return
    yield passed(
        what, f"/dev/shm holds what {ranks} ranks a gang share, on {len(workers)} hosts"
    )


def check_visibility(client: Any, workers: dict[str, str], folder: Path) -> Iterator[Outcome]:
    """Measure how long each worker takes to see a new file it has looked for before.

    `workers` gives the host of each address. Times are taken on the worker alone: clocks of
    two hosts need not agree.
    """
    what = "new files"
    delays = {}
    for i, (address, host) in enumerate(sorted(workers.items())):
        path = folder / f"new-{i}"
        options = {"workers": [address], "pure": False}
        if not client.submit(_parent_exists, str(path), **options).result(timeout=60):
            yield failed(
                what,
                f"{host} has no {folder}",
                "start pvi in a folder that all nodes share",
            )
            return
        path.write_text("seen")
        waited = client.submit(_wait_for, str(path), LONGEST_DELAY_S, **options)
        delays[host] = waited.result(timeout=2 * LONGEST_DELAY_S)
        path.unlink()
    late = [host for host, delay in delays.items() if delay is None]
    if late:
        seen = f"not seen on {', '.join(late)} within {LONGEST_DELAY_S:g} s"
        yield failed(what, seen, "choose another file system, or raise latency-wait")
        return
    longest = max(delays.values())
    seen = f"seen on {', '.join(sorted(delays))} after at most {longest:.2f} s"
    yield passed(what, seen)


def _parent_exists(path: str) -> bool:
    # Looking for the file makes a network file system remember that there is none.
    Path(path).exists()
    return Path(path).parent.is_dir()


def _wait_for(path: str, patience_s: float) -> float | None:
    start = time.monotonic()
    while time.monotonic() - start < patience_s:
        if Path(path).exists() and Path(path).read_text() == "seen":
            return time.monotonic() - start
        time.sleep(0.01)
    return None
