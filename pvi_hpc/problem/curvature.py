r"""The precision of a posterior at a point: the prior's, and Gauss-Newton products of the data.

In unknowns :math:`\theta` with the model :math:`m(\theta)`, :math:`M = \partial m / \partial
\theta` and the derivative :math:`J` of the data by the model it is

.. math:: H = \Pi + M^T J^T W J M ,

the Hessian of minus the log posterior without the terms in second derivatives of map and data
(Nocedal & Wright 2006, Numerical Optimization, section 10.3). :math:`\Pi` is the identity in
whitened coordinates. It is symmetric and positive definite wherever the point is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pvi_hpc.cost import SimulationCount
from pvi_hpc.forward.simulator import ProductSimulator
from pvi_hpc.problem.model_map import ModelMap

__all__ = ["PosteriorCurvature"]

Array = NDArray[np.float64]

#: Largest change of an unknown in a central difference of the map, in prior sds.
DIFFERENCE: Final = 1e-4


@dataclass
class PosteriorCurvature:
    """Products with the precision of a posterior at `theta` `(n,)`.

    Parameters
    ----------
    model_map
        From unknowns to models.
    theta
        The point, float64.
    simulator
        Gives products of the data; None: there are no data.
    n_shots
        Number of shots, all of which count.
    precisions
        Those of the groups of data whose noise is inferred; empty: 1 for all.
    """

    model_map: ModelMap
    theta: Tensor
    simulator: ProductSimulator | None
    n_shots: int
    precisions: Sequence[float] = ()

    def __post_init__(self) -> None:
        """Begin with no simulation."""
        self.count = SimulationCount()

    @property
    def model(self) -> Array:
        """The model `(nz, ny, nx)` of the point [m/s]."""
        return np.asarray(self.model_map.models(self.theta[None])[0].detach().numpy())

    def pulled(self, by_model: Array) -> Tensor:
        """Return derivatives by `theta` `(K, n)` of those by the model `(K, nz, ny, nx)`."""
        leaf = self.theta.detach().clone().requires_grad_()
        model = self.model_map.models(leaf[None])[0]
        rows = [
            torch.autograd.grad(model, leaf, torch.from_numpy(each), retain_graph=True)[0]
            for each in by_model
        ]
        return torch.stack(rows)

    def pushed(self, row: Tensor) -> Array:
        """Return the change of the model `(nz, ny, nx)` along `row` `(n,)`.

        It is a central difference: maps are differentiable once, from the model back.
        """
        size = float(row.abs().max())
        if not size:
            return np.zeros(self.model_map.active.shape)
        step = (DIFFERENCE / size) * row
        ahead, behind = (
            self.model_map.models((self.theta + h * step)[None])[0].detach() for h in (1, -1)
        )
        return np.asarray((ahead - behind).numpy() * (size / (2 * DIFFERENCE)))

    def products(self, rows: Tensor) -> Tensor:
        """Return the precision times each of `rows` `(K, n)`; one simulation a row and shot."""
        prior = self.model_map.coordinates.precision(rows)
        if self.simulator is None:
            return prior
        changes = [self.pushed(row) for row in rows]
        # Directions of about 1 m/s, which single precision holds whatever the units of a row.
        sizes = [float(np.abs(change).max()) or 1.0 for change in changes]
        found = self.simulator.products(
            self.model.astype(np.float32),
            [
                (change / size).astype(np.float32)
                for change, size in zip(changes, sizes, strict=True)
            ],
            range(self.n_shots),
            *((self.precisions,) if self.precisions else ()),
        )
        self.count = self.count + found.count
        scale = np.array(sizes).reshape(-1, 1, 1, 1)
        return prior + self.pulled(scale * found.products)
