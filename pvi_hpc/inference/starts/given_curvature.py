"""The start from a curvature that the user knows: a matrix, or products with it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, Protocol, TypeAlias

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from pvi_hpc.errors import ConfigError
from pvi_hpc.families.capabilities import InformedStart, couplings_of
from pvi_hpc.families.family import LOCATION, Family
from pvi_hpc.families.gaussian.low_rank import JOINT_CELLS
from pvi_hpc.families.gaussian.precision import DensePrecision, OperatorPrecision, Precision
from pvi_hpc.inference.log_prob_target import LogProb
from pvi_hpc.inference.method import Method, StartsFamily
from pvi_hpc.inference.starts.hessian_start import informed
from pvi_hpc.inference.starts.probes import Columns, Neighbours, Probes, Signs
from pvi_hpc.inference.state import State

__all__ = ["Curvature", "Products", "hessian_products"]

#: Takes `theta` `(n,)` and rows `(S, n)`, both float64; returns `P` times the rows, `P` the
#: precision at `theta`: the negative Hessian of the log density, or its Gauss-Newton part.
Products: TypeAlias = Callable[[Tensor, Tensor], Tensor]

#: Number of random sign vectors for a family that needs the diagonal only.
SIGNS: Final = 64
#: Largest asymmetry of a matrix, relative to its largest entry: rounding in single precision.
ASYMMETRY: Final = 1e-4
#: Smallest eigenvalue allowed of a matrix, relative to the largest.
FLOOR: Final = 1e-9


class StartableFamily(Family, InformedStart, Protocol):
    """A family that can start at what is best for a given precision."""


@dataclass(frozen=True)
class Curvature:
    """Starts a family at its optimum for a known precision.

    Parameters
    ----------
    family, seed
        Family that is started, and seed of the random signs.
    matrix
        `P` `(n, n)`; or
    products
        products with it, of which as many are asked for as the family can use: all columns up
        to 1024 unknowns or for full rank, else the couplings of its own stencil, the leading
        directions, or the diagonal.
    """

    family: StartableFamily
    seed: int
    matrix: Tensor | None = None
    products: Products | None = None

    @classmethod
    def of(
        cls,
        family: Family,
        seed: int,
        precision: ArrayLike | None,
        hvp: Products | Literal["autograd"] | None,
        log_prob: LogProb,
    ) -> "Curvature | None":
        """Return the curvature of the arguments of `pvi_hpc.fit`; None where there is none.

        Raises
        ------
        ConfigError
            If both are given, the family cannot start from a precision, the matrix does not
            fit, or `hvp` is neither a function nor "autograd".
        """
        if precision is None and hvp is None:
            return None
        if precision is not None and hvp is not None:
            raise ConfigError("'precision' and 'hvp' say the same: give one of them, got both.")
        if not isinstance(family, InformedStart):
            raise ConfigError(
                "'precision' and 'hvp' start Gaussian families, got "
                f"{type(family).__name__}; remove them."
            )
        if precision is not None:
            return cls(family, seed, matrix=_checked(precision, family.n))
        products = hessian_products(log_prob) if hvp == "autograd" else hvp
        if not callable(products):
            raise ConfigError(
                f"'hvp' must be a function of theta and rows, or 'autograd', got {products!r}."
            )
        return cls(family, seed, products=products)

    def check(self, method: Method) -> None:
        """Raise ConfigError where a method has no member of a family that could be started."""
        if not isinstance(method, StartsFamily):
            raise ConfigError(
                "'precision' and 'hvp' start a family, in methods such as 'vi' and 'boosting'; "
                f"got {type(method).__name__}; remove them."
            )

    def start(self, method: Method, state: State) -> None:
        """Set the parameters of `state`, of a mixture its first component's, in place."""
        assert isinstance(method, StartsFamily)  # `check` asks for it
        parameters = method.first_member(state)
        mu = parameters[LOCATION].double().clone()
        for name, value in self._informed(mu).items():
            parameters[name].copy_(value)

    def _informed(self, mu: Tensor) -> dict[str, Tensor]:
        family, grid = self.family, couplings_of(self.family)
        active = np.ones((1, 1, family.n), bool) if grid is None else grid.active
        if self.matrix is not None:
            return family.informed(mu, DensePrecision(self.matrix, active))
        if family.n <= JOINT_CELLS or family.reads == "matrix":
            return self._probed(mu, Columns(active), family.n)
        if family.reads == "couplings" and grid is not None:
            neighbours = Neighbours(grid, self.seed)
            return self._probed(mu, neighbours, neighbours.colours)
        signs = Signs(family.n, self.seed)
        if family.reads != "products":
            return self._probed(mu, signs, SIGNS)
        diagonal = self._precision(mu, signs, SIGNS).diagonal()
        return family.informed(mu, OperatorPrecision(diagonal, lambda x: self._rows(mu, x)))

    def _probed(self, mu: Tensor, probes: Probes, n: int) -> dict[str, Tensor]:
        return informed(self.family, mu, self._precision(mu, probes, n), probes)

    def _precision(self, mu: Tensor, probes: Probes, n: int) -> Precision:
        sums, largest = probes.fresh(), 0.0
        for probe in range(n):
            z = probes.direction(probe)
            product = self._rows(mu, z[None])[0]
            sums = probes.add(sums, z, product)
            largest = max(largest, float(product.abs().max()))
        return probes.precision(sums, n, FLOOR * largest)

    def _rows(self, mu: Tensor, x: Tensor) -> Tensor:
        assert self.products is not None
        found = self.products(mu, x)
        if not isinstance(found, Tensor) or found.shape != x.shape:
            got = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
            raise ConfigError(
                f"'hvp' must return a torch tensor {tuple(x.shape)}, the precision times each "
                f"row, got {got}."
            )
        if not bool(found.isfinite().all()):
            raise ConfigError("'hvp' must return finite numbers, got infinities or NaN.")
        return found.detach().double()


def hessian_products(log_prob: LogProb) -> Products:
    """Return the products with the negative Hessian of `log_prob`, by differentiating twice."""

    def products(theta: Tensor, rows: Tensor) -> Tensor:
        leaf = theta.detach().expand(rows.shape).clone().requires_grad_()
        with torch.enable_grad():
            (gradient,) = torch.autograd.grad(log_prob(leaf).sum(), leaf, create_graph=True)
            if not gradient.requires_grad:  # a log density that is linear
                return torch.zeros_like(rows)
            (product,) = torch.autograd.grad(gradient, leaf, rows)
        return -product

    return products


def _checked(precision: ArrayLike, n: int) -> Tensor:
    """Return the matrix; ConfigError unless symmetric `(n, n)`, finite, positive definite."""
    matrix = np.array(precision, dtype=np.float64)
    if matrix.shape != (n, n) or not np.isfinite(matrix).all():
        raise ConfigError(
            f"'precision' must be {n} x {n} finite numbers, got shape {matrix.shape}."
        )
    asymmetry = float(abs(matrix - matrix.T).max())
    if asymmetry > ASYMMETRY * abs(matrix).max():
        raise ConfigError(
            "'precision' must be symmetric, got entries that differ from those across the "
            f"diagonal by up to {asymmetry:.3g}; give the whole matrix, not a triangle of it."
        )
    symmetric = (matrix + matrix.T) / 2
    least = float(np.linalg.eigvalsh(symmetric)[0])
    if least <= 0:
        raise ConfigError(
            f"'precision' must be positive definite, got a least eigenvalue of {least:.3g}; "
            "give the negative Hessian of the log density, or its Gauss-Newton part plus the "
            "prior's precision."
        )
    return torch.from_numpy(symmetric)
