"""Workers that lose their job, their node, their life or a rank; gangs that fail."""

import os
import random
import signal

from chain import Chain
from daemons import wait_until
from slurm import Slurm

__all__ = [
    "cancel_jobs",
    "fail_in_solver",
    "kill_ranks",
    "kill_workers",
    "nodes_down",
    "outlive_workers",
]


def cancel_jobs(chain: Chain, count: int, rng: random.Random) -> None:
    """Cancel worker jobs while simulations run."""
    assert chain.cluster is not None
    chain.go_on()
    for _ in range(count):
        chain.wait_healthy()
        chain.advance(1)
        job = rng.choice(sorted(chain.cluster.jobs()))
        chain.cluster.cancel(job)
        wait_until(lambda job=job: job not in chain.cluster.jobs(), 60, "The end of the job")
    chain.wait_healthy()


def kill_workers(chain: Chain, count: int, rng: random.Random) -> None:
    """Kill workers while simulations run."""
    _kill(chain, "worker", count, rng)


def kill_ranks(chain: Chain, count: int, rng: random.Random) -> None:
    """Kill single ranks of gangs while simulations run."""
    _kill(chain, "rank", count, rng)


def _kill(chain: Chain, kind: str, count: int, rng: random.Random) -> None:
    chain.go_on()
    for _ in range(count):
        chain.wait_healthy()
        chain.advance(1)
        ranks = set(chain.pids("rank"))
        victim = rng.choice(chain.pids(kind))
        os.kill(victim, signal.SIGKILL)
        # Its gang goes with it; the other one may stay.
        wait_until(lambda r=ranks: set(chain.pids("rank")) != r, 30, "The end of a gang")
    chain.wait_healthy()


def nodes_down(chain: Chain, count: int, rng: random.Random) -> None:
    """Set nodes DOWN under their workers, and back later."""
    slurm = chain.cluster
    assert isinstance(slurm, Slurm)
    chain.go_on()
    for _ in range(count):
        chain.wait_healthy()
        chain.advance(1)
        lines = slurm.command("squeue", "--noheader", "--format=%i %N").splitlines()
        job, node = rng.choice(sorted(lines)).split()
        slurm.command("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=test")
        wait_until(lambda job=job: job not in slurm.jobs(), 60, "The end of the job")
        chain.wait_healthy()
        # Slurm itself brings a node back whose daemon answers.
        wait_until(lambda: slurm.is_up(node), 60, f"The return of {node}")  # noqa: B023


def outlive_workers(chain: Chain, count: int, rng: random.Random) -> None:
    """Let all worker jobs come to their walltime, and see others in their place."""
    assert chain.cluster is not None
    chain.go_on()
    chain.wait_healthy()
    starts = chain.record().starts
    for _ in range(count):
        chain.wait_healthy()
        old = set(chain.cluster.jobs())
        wait_until(lambda o=old: not o & set(chain.cluster.jobs()), 300, "The end of the jobs")
    chain.wait_healthy()
    assert chain.record().starts == starts


def fail_in_solver(chain: Chain, count: int, rng: random.Random) -> None:
    """Let the solver fail so many times, as the chain's fault says, once a time."""
    chain.go_on()
    done = chain.folder / "done-0"
    for _ in range(count):
        wait_until(done.exists, 120, f"A fault '{chain.fault}'")
        chain.advance(2)
        done.unlink()
    wait_until(done.exists, 120, f"A fault '{chain.fault}'")
