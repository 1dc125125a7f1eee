"""The solver of this package, with the storage of gradients that it chooses by itself."""

from typing import Any

from case import Case
from mpi4py import MPI

from pvi_hpc.forward.acoustic.acoustic_solver import AcousticSolver, SolverSettings
from pvi_hpc.forward.acoustic.history.storage_choice import RunSize, choose_storage
from pvi_hpc.forward.acoustic.history.storage_request import StorageWish

__all__ = ["Peer"]


class Peer:
    """Forward and gradient of a case; a gradient includes its forward."""

    def __init__(self, case: Case, comm: MPI.Comm | None = None) -> None:
        self.case = case
        settings = SolverSettings(
            shape=case.shape,
            spacing=3 * (case.spacing,),
            dt=case.dt,
            pml_velocity=case.fastest,
            pml_frequency=case.peak,
            n_pml=case.layer,
            threads=case.threads,
        )
        size = RunSize(case.nt, len(case.receivers()), 1 if comm is None else comm.size)
        # A Ricker wavelet ends at three times its peak frequency.
        choice = choose_storage(settings, size, StorageWish(f_max=3 * case.peak))
        self.solver = AcousticSolver(settings, comm, choice.storage)
        self.solver.set_model(case.model())
        self.source = case.source() * case.spacing
        self.receivers = case.receivers() * case.spacing

    def forward(self) -> Any:
        """Return the traces `(n_rec, nt)`."""
        return self.solver.forward(self.source, self.case.wavelet(), self.receivers)

    def gradient(self) -> Any:
        """Return d/dc of `sum(residual * traces)` `(n, n, n)`, on rank 0."""
        self.solver.forward(self.source, self.case.wavelet(), self.receivers, store=True)
        return self.solver.gradient(self.case.residual())
