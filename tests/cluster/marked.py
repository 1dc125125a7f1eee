"""Finds processes by a mark in the environment that their first ancestor was started with."""

from pathlib import Path

from daemons import alive

__all__ = ["marked_processes"]


def marked_processes(mark: str, kind: str = "any") -> list[int]:
    """Return living processes with `NAME=VALUE` in their environment.

    `kind` chooses: any, worker (a Dask worker, of a job or of the local executor) or rank.
    """
    found, entry = [], f"{mark}\0".encode()
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or not alive(int(folder.name)):
            continue
        try:
            if entry not in (folder / "environ").read_bytes():
                continue
            words = (folder / "cmdline").read_bytes().decode().split("\0")[:-1]
        except (OSError, ValueError):
            continue
        if kind in ("any", _kind(words)):
            found.append(int(folder.name))
    return found


def _kind(words: list[str]) -> str:
    if words[1:5] == ["-m", "mpi4py", "-m", "faulty_gang"]:
        return "rank"
    text = " ".join(words)
    worker = "dask_worker" in text or ("spawn_main" in text and "resource" not in text)
    return "worker" if worker else "other"
