"""The solver of this package."""

from typing import Any

from case import Case

from pvi_hpc.simulate.acoustic_solver import AcousticSolver, SolverSettings

__all__ = ["Peer"]


class Peer:
    """Forward and gradient of a case; a gradient includes its forward."""

    def __init__(self, case: Case, **options: Any) -> None:
        self.case = case
        settings = SolverSettings(
            shape=3 * (case.n,),
            spacing=3 * (case.spacing,),
            dt=case.dt,
            pml_velocity=case.fastest,
            pml_frequency=case.peak,
            n_pml=case.layer,
            threads=case.threads,
            **options,
        )
        self.solver = AcousticSolver(settings)
        self.solver.set_model(case.model())
        self.source = case.source() * case.spacing
        self.receivers = case.receivers() * case.spacing

    def forward(self) -> Any:
        """Return the traces `(n_rec, nt)`."""
        return self.solver.forward(self.source, self.case.wavelet(), self.receivers)

    def gradient(self) -> Any:
        """Return d/dc of `sum(residual * traces)` `(n, n, n)`."""
        self.solver.forward(self.source, self.case.wavelet(), self.receivers, store=True)
        return self.solver.gradient(self.case.residual())
