"""Controllers that are killed or met by a second one, and a Snakemake that is killed."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress

from chain import HERE, ROOT, Chain
from daemons import wait_until

__all__ = ["kill_controllers", "kill_snakemake", "second_controllers"]

#: A controller lives at most so long [s]: about half of it passes before its first iteration.
LONGEST_LIFE_S = 12.0


def kill_controllers(chain: Chain, count: int, rng: random.Random) -> None:
    """Kill controllers at random instants of their life, and go on."""
    for _ in range(count):
        chain.go_on()
        time.sleep(rng.uniform(0.2, LONGEST_LIFE_S))
        assert chain.controller is not None
        chain.controller.kill()
        chain.wait_end()
        chain.check_gone()


def second_controllers(chain: Chain, count: int, rng: random.Random) -> None:
    """Start a second controller beside a running one: it must be refused."""
    chain.go_on()
    chain.advance(2)
    starts = chain.record().starts
    for _ in range(count):
        text = chain.pvi(*chain.command(), code=2)
        assert "is being worked on by process" in text, text
        chain.advance(1)
    assert chain.record().starts == starts


def kill_snakemake(number: signal.Signals) -> Callable[[Chain, int, random.Random], None]:
    """Return the fault that a signal ends Snakemake, which is then started again."""

    def fault(chain: Chain, count: int, rng: random.Random) -> None:
        for _ in range(count):
            process = _snakemake_iterates(chain)
            time.sleep(rng.uniform(0.0, 3.0))
            process.send_signal(number)
            wait_until(lambda p=process: p.poll() is not None, 120, "The end of Snakemake")
            # A controller that outlives its Snakemake goes on until somebody stops it.
            chain.pvi("stop", "chain")
            chain.check_gone()
            _snakemake(chain, "--unlock").wait(timeout=300)
        last = _snakemake_iterates(chain)
        chain.pvi("stop", "chain")
        wait_until(lambda: last.poll() is not None, 120, "The end of Snakemake")
        chain.check_gone()
        # As every start of Snakemake does.
        (chain.results / "stop").unlink()

    return fault


def _snakemake_iterates(chain: Chain) -> "subprocess.Popen[bytes]":
    """Start the workflow, and wait for an iteration of its controller."""
    begun = len(chain.record().digests)
    process = _snakemake(chain)
    wait_until(lambda: len(chain.record().digests) > begun, 500, "An iteration")
    return process


def _snakemake(chain: Chain, *options: str) -> "subprocess.Popen[bytes]":
    """Start the workflow of the chain, with a `pvi` that records."""
    folder = chain.folder / "bin"
    with suppress(FileExistsError):
        folder.mkdir()
        script = f'#!/bin/sh\nexec {sys.executable} {HERE / "recorded_pvi.py"} "$@"\n'
        (folder / "pvi").write_text(script)
        (folder / "pvi").chmod(0o755)
    command = [
        *(sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")),
        *("--workflow-profile", str(ROOT / "cluster_profiles" / "local")),
        *("--configfile", "chain.yaml", "--until", "segment", *options),
    ]
    path = f"{folder}{os.pathsep}{chain.environment['PATH']}"
    with (chain.folder / "log").open("a") as log:
        return subprocess.Popen(
            command,
            cwd=chain.folder,
            env={**chain.environment, "PATH": path},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_hang_up_by_default,
        )


def _hang_up_by_default() -> None:
    """Undo what `nohup` around the suite would do: nobody could hang up Snakemake."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
