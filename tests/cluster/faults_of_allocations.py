"""Jobs that hold controller and workers: preempted and requeued, or out of walltime."""

import random

from allocated_chain import AllocatedChain
from chain import Chain
from daemons import wait_until

__all__ = ["preempt", "reach_walltime"]


def preempt(chain: Chain, count: int, rng: random.Random) -> None:
    """Preempt the job, and see it start again."""
    assert isinstance(chain, AllocatedChain)
    chain.go_on()
    for _ in range(count):
        chain.wait_healthy()
        chain.advance(rng.randint(1, 3))
        starts = chain.record().starts
        chain.preempt()
        wait_until(lambda n=starts: chain.record().starts > n, 180, "The requeued controller")


def reach_walltime(chain: Chain, count: int, rng: random.Random) -> None:
    """Let the job come to its walltime: it must end before, with a checkpoint."""
    assert isinstance(chain, AllocatedChain)
    if chain.is_running:
        chain.stop()
    for _ in range(count):
        before = chain.log.count("Stopped by ") if chain.job else 0
        chain.options = chain.short_time
        chain.start()
        chain.advance(1)
        chain.wait_gone(patience_s=200)
        assert chain.log.count("Stopped by ") == before + 1, chain.log[-3000:]
        chain.check_gone()
    chain.options = ()
