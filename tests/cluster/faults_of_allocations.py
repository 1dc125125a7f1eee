"""Jobs that hold controller and workers: preempted and requeued, or out of walltime."""

import random

from allocated_chain import AllocatedChain
from chain import Chain
from daemons import wait_until

__all__ = ["preempt", "reach_walltime"]

#: Slurm's signal comes so long before the end of the job [s]; the controller itself may stop
#: before that, because it knows when its job ends.
WARNING_S = 25


def preempt(chain: Chain, count: int, rng: random.Random) -> None:
    """Preempt the job by an urgent one that takes all nodes, and see it requeued."""
    assert isinstance(chain, AllocatedChain) and chain.cluster is not None
    urgent = chain.folder / "urgent.sh"
    urgent.write_text("#!/bin/bash\nsleep 2\n")
    options = ("--partition=urgent", "--nodes=3", "--exclusive", "--output=/dev/null")
    chain.start()
    for _ in range(count):
        chain.wait_healthy()
        chain.advance(rng.randint(1, 3))
        starts = chain.record().starts
        job = chain.cluster.submit(urgent, *options)
        wait_until(lambda job=job: job not in chain.cluster.jobs(), 90, "The urgent job")
        wait_until(lambda n=starts: chain.record().starts > n, 120, "The requeued controller")
    chain.finish()


def reach_walltime(chain: Chain, count: int, rng: random.Random) -> None:
    """Let the job come to its walltime: it must end before, with a checkpoint."""
    assert isinstance(chain, AllocatedChain)
    chain.options = ("--time=2", f"--signal=B:USR1@{WARNING_S}")
    for i in range(count):
        chain.start()
        chain.advance(1)
        chain.wait_gone(patience_s=150)
        assert chain.log.count("Stopped by ") == i + 1, chain.log[-3000:]
        chain.check_gone()
    chain.options = ()
    chain.finish()
