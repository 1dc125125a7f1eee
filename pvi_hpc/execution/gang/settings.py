"""Settings of the gangs of workers."""

from dataclasses import dataclass

from pvi_hpc.execution.settings import Launcher

__all__ = ["GangSettings"]


@dataclass(frozen=True)
class GangSettings:
    """Settings of the gangs.

    Parameters
    ----------
    ranks, threads
        MPI ranks of a gang and OpenMP threads of a rank.
    timeout_s
        A request that takes longer has hung.
    module
        Module that the ranks run; another module may make another solver.
    launcher
        Launcher of the ranks, see `pvi_hpc.execution.gang.launchers`.
    command
        Takes `-n RANKS PROGRAM` in place of the launcher's own command.
    """

    ranks: int = 1
    threads: int = 1
    timeout_s: float = 600.0
    module: str = "pvi_hpc.execution.gang.ranks"
    launcher: Launcher = "fork"
    command: tuple[str, ...] = ()
