r"""Linear response: the variance of an answer by the curvature of the posterior.

An answer :math:`a(m)` with the gradient :math:`g` by the unknowns has, for a posterior that is
Gaussian near its mean, the variance :math:`g^T H^{-1} g` with :math:`H` the posterior's
precision. It is how the mean answer responds to a perturbation of the log density by the
answer itself, which corrects the variances of a family that misses correlations [1]_.

The system is solved by conjugate gradients from zero, preconditioned by the covariance of the
family [2]_. After :math:`k` products the variance found is :math:`\sum_{j \le k} \alpha_j
\gamma_j`, a sum of positive terms, so that it grows towards the right one; what the last terms
add estimates what is still missing [3]_.

References
----------
.. [1] Giordano, Broderick & Jordan (2018), J. Mach. Learn. Res. 19(51).
.. [2] Hestenes & Stiefel (1952), J. Res. Natl. Bur. Stand. 49(6).
.. [3] Strakos & Tichy (2002), Electron. Trans. Numer. Anal. 13.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pvi_hpc.config.questions import LinearResponseSettings

__all__ = ["DELAY", "Products", "Response", "begin", "step"]

Array = NDArray[np.float64]
#: Takes rows `(K, n)` float64 and returns a symmetric positive definite matrix times them.
Products: TypeAlias = Callable[[Tensor], Tensor]

#: Number of products whose gain tells whether a variance still grows.
DELAY: Final = 3


@dataclass(frozen=True)
class Response:
    """Conjugate gradients for `K` answers at once; all that a step needs.

    Parameters
    ----------
    residuals, directions
        `(K, n)`.
    powers
        Residual times preconditioned residual `(K,)`.
    gains
        What each product added to the variances `(rounds, K)`; NaN: it was not needed.
    """

    residuals: Array
    directions: Array
    powers: Array
    gains: Array

    @property
    def variances(self) -> Array:
        """Variances found so far `(K,)`, never above the right ones but for rounding."""
        return np.asarray(np.nansum(self.gains, axis=0))

    @property
    def products(self) -> NDArray[np.int64]:
        """Number of products that each answer has taken `(K,)`."""
        return np.asarray(np.isfinite(self.gains).sum(axis=0))

    @property
    def changes(self) -> Array:
        """Share of each variance that its last `DELAY` products added `(K,)`; 1 before."""
        found = np.ones(len(self.powers))
        for k, gains in enumerate(self.gains.T):
            taken = gains[np.isfinite(gains)]
            if not self.powers[k]:
                found[k] = 0.0
            elif len(taken) > DELAY:
                found[k] = taken[-DELAY:].sum() / taken.sum()
        return found

    def active(self, settings: Sequence[LinearResponseSettings]) -> NDArray[np.intp]:
        """Return the answers that need another product, by their settings."""
        limits = np.array([its.products for its in settings])
        tolerances = np.array([its.tolerance for its in settings])
        return np.flatnonzero((self.products < limits) & (self.changes > tolerances))

    def arrays(self) -> dict[str, Array]:
        """Return all of it by name."""
        names = ("residuals", "directions", "powers", "gains")
        return {name: getattr(self, name) for name in names}

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> "Response":
        """Return what `arrays` gave."""
        return cls(*(arrays[name] for name in ("residuals", "directions", "powers", "gains")))


def begin(gradients: Tensor, covariance: Products) -> Response:
    """Return the state before the first product.

    Parameters
    ----------
    gradients
        Derivatives of the answers by the unknowns `(K, n)`.
    covariance
        The preconditioner.
    """
    g = gradients.detach().double()
    z = covariance(g)
    powers = _dots(g, z)
    none = np.empty((0, len(g)))
    return Response(g.numpy().copy(), z.numpy().copy(), powers, none)


def step(
    state: Response, active: NDArray[np.intp], precision: Products, covariance: Products
) -> Response:
    """Return the state after one product for each of the `active` answers."""
    p = torch.from_numpy(state.directions[active])
    r = torch.from_numpy(state.residuals[active])
    product, before = precision(p), state.powers[active]
    alpha = before / _dots(p, product)
    r = r - torch.from_numpy(alpha)[:, None] * product
    z = covariance(r)
    after = _dots(r, z)
    p = z + torch.from_numpy(after / before)[:, None] * p
    gains = np.full(len(state.powers), np.nan)
    gains[active] = alpha * before
    residuals, directions = state.residuals.copy(), state.directions.copy()
    powers = state.powers.copy()
    residuals[active], directions[active], powers[active] = r.numpy(), p.numpy(), after
    return Response(residuals, directions, powers, np.vstack([state.gains, gains]))


def _dots(a: Tensor, b: Tensor) -> Array:
    """Return the inner product of each pair of rows `(K,)`; its bits know no threads."""
    return np.asarray((a.detach().numpy() * b.detach().numpy()).sum(axis=1))
