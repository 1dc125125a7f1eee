"""Commands of a project on a disk of their own that has no room, in a mount namespace.

    unshare -m python full_disk.py DISK PROJECT < attempts > outcomes

mounts a small disk at the folder DISK. For each attempt, a JSON object, the project is copied
there, what the attempt lists is removed, the disk is filled, the command is run, room is made,
and the command is run again. A command is a fork of this process, so that a crash of it is seen
and nothing is imported twice.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pvi_hpc.cli
import pvi_hpc.cli.steps
import pvi_hpc.run.answers.ask
import pvi_hpc.run.answers.export
import pvi_hpc.run.conclude
import pvi_hpc.run.draw_posterior

#: Size of the disk [bytes], and number of its files.
SIZE, FILES = 24 * 2**20, 1000


class Disk:
    """A small disk that can be filled."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.project, self.filler = folder, folder / "project", folder / "filler"
        options = f"size={SIZE},nr_inodes={FILES}"
        mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        subprocess.run(mount, check=True)

    def copy(self, source: Path, without: list[str]) -> None:
        """Put a project there, without some of its files and folders."""
        shutil.rmtree(self.project, ignore_errors=True)
        shutil.copytree(source, self.project)
        for path in (self.project / name for name in without):
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def fill(self, how: str) -> None:
        """Leave no files, no writing, or a number of bytes."""
        if how == "read-only":
            self._remount("ro")
        elif how == "no files":
            self.filler.mkdir()
            try:
                for i in range(FILES):
                    (self.filler / str(i)).touch()
            except OSError:
                pass
        else:
            with self.filler.open("wb", buffering=0) as file:
                try:
                    while file.write(bytes(2**16)):
                        pass
                except OSError:
                    pass
            page = os.sysconf("SC_PAGE_SIZE")
            os.truncate(self.filler, (self.filler.stat().st_size - int(how)) // page * page)

    def make_room(self) -> None:
        """Undo `fill`."""
        self._remount("rw")
        if self.filler.is_dir():
            shutil.rmtree(self.filler)
        self.filler.unlink(missing_ok=True)

    def files(self) -> dict[str, str]:
        """Return the digest of every file of the project."""
        paths = (path for path in self.project.rglob("*") if path.is_file())
        return {
            str(path.relative_to(self.project)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in paths
        }

    def _remount(self, how: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{how}", str(self.folder)], check=True)


def run(words: list[str], folder: Path) -> tuple[int, str]:
    """Run a command there; return its exit code, negative for a signal, and what it said."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        os.dup2(write, 1)
        os.dup2(write, 2)
        sys.stdout, sys.stderr = (os.fdopen(n, "w") for n in (1, 2))
        os.chdir(folder)
        sys.argv = ["pvi", *words]
        code = 1
        try:
            pvi_hpc.cli.main()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 0
        except BaseException as error:
            os.write(2, f"Traceback: {error!r}".encode())
        finally:
            os._exit(code)
    os.close(write)
    with os.fdopen(read, errors="replace") as pipe:
        said = pipe.read()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), said


def main() -> None:
    """Make all attempts."""
    disk, source = Disk(Path(sys.argv[1])), Path(sys.argv[2])
    for attempt in json.load(sys.stdin):
        disk.copy(source, attempt["remove"])
        before = disk.files()
        disk.fill(attempt["how"])
        code, said = run(attempt["words"], disk.project)
        after = disk.files()
        disk.make_room()
        again, told = run(attempt["words"], disk.project)
        outcome = {
            "code": code,
            "said": said,
            "changed": [name for name in before if after.get(name) != before[name]],
            "new": {name: bits for name, bits in after.items() if name not in before},
            "again": again,
            "told": told,
            "files": disk.files(),
        }
        print(json.dumps(outcome), flush=True)


if __name__ == "__main__":  # Workers of Dask import the module that started them.
    main()
