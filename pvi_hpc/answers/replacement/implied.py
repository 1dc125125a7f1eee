r"""The posterior under a new prior, by the likelihood that an old posterior implies.

.. math:: p_{new}(m | d) \propto \frac{q_{old}(m)}{p_{old}(m)} p_{new}(m)

(Zhao & Curtis 2024, Geophys. J. Int. 239(2), 1236-1259). The ratio is of two densities of the
same model, so that it is the same in any unknowns: those of the old prior are taken, and no
Jacobian is needed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pvi_hpc.answers.replacement.change import PriorChange
from pvi_hpc.cost import SimulationCount
from pvi_hpc.families.family import Family, Parameters
from pvi_hpc.inference.target import TargetValue

__all__ = ["ImpliedTarget"]


@dataclass(frozen=True)
class ImpliedTarget:
    """Density of the new unknowns; normalised, it would integrate to the evidence ratio.

    `family` and `parameters`, in double precision, are the old posterior of the old unknowns.
    """

    change: PriorChange
    family: Family
    parameters: Parameters

    def batches(self, iteration: int, n: int) -> Sequence[tuple[int, ...]]:
        """Return no shots: nothing is simulated."""
        return [()] * n

    def value(
        self, theta: Tensor, batches: Sequence[tuple[int, ...]] | None = None
    ) -> TargetValue:
        """Evaluate at new unknowns `(S, n)`; the likelihood is the implied one."""
        rows = theta.detach().double()
        old, new = self.change.old.coordinates, self.change.new.coordinates
        with torch.inference_mode(False), torch.enable_grad():
            leaf = rows.clone().requires_grad_()
            values = self.change.velocities(leaf)
            unknowns = self.change.old_unknowns(values)
            eps = self.family.standardise(self.parameters, unknowns)
            by_old = self.family.score(self.parameters, eps) + old.precision(unknowns)
            by_velocity = self.change.pull_back(values, by_old.detach())
            (by_data,) = torch.autograd.grad(values, leaf, by_velocity)
        likelihood = self.family.log_q(self.parameters, eps) - old.log_prior(unknowns)
        return TargetValue(
            log_likelihood=likelihood.detach(),
            log_prior=new.log_prior(rows),
            gradient=by_data - new.precision(rows),
            chi_squared=torch.full((len(rows),), torch.nan, dtype=torch.float64),
            count=SimulationCount(),
        )
