"""A solver of the comparison in its own process, and the environment that peers run in."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from case import Case

__all__ = ["PeerProcess", "peers_python"]

HERE = Path(__file__).parent
ENVIRONMENT = HERE.parents[1] / ".venv-peers"


def peers_python() -> str:
    """Return the Python that has the peers, installing them once.

    `PVI_PEERS_PYTHON` names an environment of the user's own instead.
    """
    if own := os.environ.get("PVI_PEERS_PYTHON"):
        return own
    python = ENVIRONMENT / "bin" / "python"
    stamp, wanted = ENVIRONMENT / ".requirements", (HERE / "peers.txt").read_text()
    if not stamp.exists() or stamp.read_text() != wanted:
        print(f"installing the peers into {ENVIRONMENT}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(ENVIRONMENT)], check=True)
        pip = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        # torch first: what the peers ask for would bring a build for GPUs.
        for line in wanted.split():
            subprocess.run([*pip, line], check=True)
        stamp.write_text(wanted)
    return str(python)


class PeerProcess:
    """Runs `serve.py MODULE` with an interpreter and `threads` OpenMP threads."""

    def __init__(self, module: str, python: str, case: Case) -> None:
        self.case = case
        places = {"OMP_NUM_THREADS": str(case.threads), "OMP_PROC_BIND": "false"}
        self.process = subprocess.Popen(
            [python, str(HERE / "serve.py"), module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL if module != "ours" else None,
            text=True,
            env={**os.environ, **places},
        )
        self.ask("open", case=case.to_dict())

    def ask(self, what: str, **more: Any) -> dict[str, Any]:
        """Send one order and return its answer: `seconds`, `peak_gb`, or `settings`.

        Raises
        ------
        RuntimeError
            If the process has died.
        """
        if self.process.stdin is None or self.process.stdout is None:
            raise RuntimeError("the process has no pipes")
        self.process.stdin.write(json.dumps({"do": what, **more}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.process.args!r} ended with {self.process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.process.stdin is not None:
            self.process.stdin.close()
        self.process.wait(timeout=60)
