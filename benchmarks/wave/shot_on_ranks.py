"""One measurement of our solver on MPI ranks, started by `scaling.py`.

`mpiexec -n R python -m mpi4py shot_on_ranks.py CASE shared|apart REPEATS`: the ranks share one
shot, or each of them simulates its own. Rank 0 prints a JSON object.
"""

import json
import sys
from typing import Any

from case import Case
from mpi4py import MPI
from ours import Peer

__all__: list[str] = []


def main(case_text: str, how: str, repeats_text: str) -> None:
    """Print the best seconds of a forward run and of a gradient, and the ranks' timers."""
    world, repeats = MPI.COMM_WORLD, int(repeats_text)
    case = Case(**json.loads(case_text))
    peer = Peer(case, comm=world if how == "shared" else MPI.COMM_SELF)
    answer: dict[str, Any] = {"layout": how, "ranks": world.size}
    for what in ("forward", "gradient"):
        run = getattr(peer, what)
        run()  # touches the memory
        before = peer.solver.timers()
        answer[what] = min(seconds(world, run) for _ in range(repeats))
        after = peer.solver.timers()
        mine = after.compute - before.compute, after.wait - before.wait
        every = world.gather(mine)
        if every is not None:
            answer[f"{what}_compute"] = [compute / repeats for compute, _ in every]
            answer[f"{what}_wait"] = [wait / repeats for _, wait in every]
    if world.rank == 0:
        print(json.dumps(answer))


def seconds(world: MPI.Comm, run: Any) -> float:
    """Wall time from the moment all ranks begin to the moment the last ends."""
    world.Barrier()
    start = MPI.Wtime()
    run()
    world.Barrier()
    return MPI.Wtime() - start


if __name__ == "__main__":
    main(*sys.argv[1:])
