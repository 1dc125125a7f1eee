"""Every fault of the suite: what it is, where it strikes, how often."""

import signal

from fault import Fault, Setting
from faults_of_allocations import preempt, reach_walltime
from faults_of_controllers import kill_controllers, kill_snakemake, second_controllers
from faults_of_storage import fill_disk, flip_bits
from faults_of_workers import (
    cancel_jobs,
    fail_in_solver,
    kill_ranks,
    kill_workers,
    nodes_down,
    outlive_workers,
)

__all__ = ["FAULTS"]

LOCAL, SLURM, SGE = Setting("local"), Setting("slurm"), Setting("sge")
IN_SLURM, IN_SGE = (Setting("allocation", system) for system in ("slurm", "sge"))
#: Worker jobs that end soon.
ONE_MINUTE = (("walltime", "00:01:00"),)
SNAKEMAKE, DISK = (Setting("local", apart=why) for why in ("Snakemake", "small disk"))
#: Nothing to be disturbed, and a controller that starts as fast as it can.
QUICK = Setting("local", gang="none@0", execution=(("workers", 1),))
HANG = Setting("local", gang="hang@1", execution=(("timeout_s", 3),))

FAULTS = (
    Fault("worker job cancelled", SLURM, cancel_jobs, 20),
    Fault("worker killed -9", SLURM, kill_workers, 20),
    Fault("gang rank killed -9", SLURM, kill_ranks, 20, ranks=2),
    Fault("node DOWN", SLURM, nodes_down, 3),
    Fault("second controller", SLURM, second_controllers, 5),
    Fault("controller killed -9", SLURM, kill_controllers, 20),
    Fault("worker job cancelled", SGE, cancel_jobs, 5),
    Fault("worker killed -9", SGE, kill_workers, 5),
    Fault("gang rank killed -9", SGE, kill_ranks, 5, ranks=2),
    Fault("second controller", SGE, second_controllers, 2),
    Fault("controller killed -9", SGE, kill_controllers, 10),
    Fault("worker killed -9", LOCAL, kill_workers, 20),
    Fault("gang rank killed -9", LOCAL, kill_ranks, 20, ranks=2),
    Fault("second controller", LOCAL, second_controllers, 5),
    Fault("controller killed -9", LOCAL, kill_controllers, 50, short=2),
    Fault("solver hang", HANG, fail_in_solver, 5),
    Fault("segfault", Setting("local", gang="segfault@1"), fail_in_solver, 5),
    Fault("NaN gradient", Setting("local", gang="nan_gradient@1"), fail_in_solver, 5),
    Fault("truncated result", Setting("local", gang="truncated@1"), fail_in_solver, 5),
    Fault("controller preempted", IN_SLURM, preempt, 5),
    Fault("walltime reached", IN_SLURM, reach_walltime, 3),
    Fault("controller preempted", IN_SGE, preempt, 3),
    Fault("walltime reached", IN_SGE, reach_walltime, 2),
    Fault("worker's walltime", Setting("slurm", job=ONE_MINUTE), outlive_workers, 2),
    Fault("worker's walltime", Setting("sge", job=ONE_MINUTE), outlive_workers, 1),
    Fault("Snakemake SIGHUP", SNAKEMAKE, kill_snakemake(signal.SIGHUP), 5),
    Fault("Snakemake SIGKILL", SNAKEMAKE, kill_snakemake(signal.SIGKILL), 5),
    Fault("checkpoint bit flipped", QUICK, flip_bits, 20, short=2),
    Fault("disk full", DISK, fill_disk, 5),
)
