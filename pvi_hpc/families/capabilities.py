"""Capabilities that a family may have beyond those of every family, each a protocol.

Callers ask `isinstance(family, Capability)`, which looks for the methods named here, and have a
way without it or refuse with a clear error. A new family gets a capability by having its
methods; nothing else has to know the family.
"""

from collections.abc import Mapping
from typing import Literal, Protocol, TypeAlias, runtime_checkable

from torch import Tensor

from pvi_hpc.families.family import Draw, Family, Parameters
from pvi_hpc.families.gaussian.precision import Precision, Product
from pvi_hpc.families.gaussian.stencil import Stencil
from pvi_hpc.numerics.update_kernels import AdamStep, Moments

__all__ = [
    "ClosedForm",
    "Coupled",
    "EstimatedDensity",
    "FixedFactor",
    "Gaussian",
    "IndependentStart",
    "InformedStart",
    "NaturalGradient",
    "PrecisionPart",
    "PriorInside",
    "StreamedDescent",
    "couplings_of",
]


@runtime_checkable
class ClosedForm(Protocol):
    """Moments in closed form; `pvi_hpc.families.moments` estimates them otherwise."""

    def entropy(self, parameters: Parameters) -> float:
        """Return `-E[log q]`."""
        ...

    def mean(self, parameters: Parameters) -> Tensor:
        """Return the mean of `theta` `(n,)`."""
        ...

    def sd(self, parameters: Parameters) -> Tensor:
        """Return the marginal standard deviations of `theta` `(n,)`."""
        ...


@runtime_checkable
class Gaussian(Protocol):
    """A Gaussian `theta = mu + L eps`, by products with its factor `L`."""

    def apply(self, parameters: Parameters, x: Tensor) -> Tensor:
        """Return `L x` of the rows of `x` `(S, n)`."""
        ...

    def apply_transposed(self, parameters: Parameters, x: Tensor) -> Tensor:
        """Return `L^T x`."""
        ...

    def solve(self, parameters: Parameters, x: Tensor) -> Tensor:
        """Return `L^{-1} x`."""
        ...

    def solve_transposed(self, parameters: Parameters, x: Tensor) -> Tensor:
        """Return `L^{-T} x`."""
        ...


@runtime_checkable
class NaturalGradient(Gaussian, Protocol):
    """A Gaussian that knows its inverse Fisher information, with `log_sd` a parameter."""

    @property
    def column_size(self) -> int:
        """Numbers in a column of `L` that are moved on their own."""
        ...

    def natural(self, parameters: Parameters, gradients: Parameters) -> Parameters:
        """Return the natural gradient of what has the gradients `gradients`."""
        ...


@runtime_checkable
class IndependentStart(Protocol):
    """A family that can start as independent cells with an sd each."""

    def independent(self, mean: Tensor, log_sd: Tensor) -> Parameters:
        """Return the parameters of independent cells, `mean` and `log_sd` `(n,)`."""
        ...


#: Part of a precision that a family reads when it starts: its diagonal, the couplings of its
#: own stencil, products with it, the gradients of noise that it is made of, or all entries.
PrecisionPart: TypeAlias = Literal["diagonal", "couplings", "products", "rows", "matrix"]


@runtime_checkable
class InformedStart(Protocol):
    """A family that can start at what is best for a given precision."""

    @property
    def reads(self) -> PrecisionPart:
        """Part of the precision that `informed` reads where there are many unknowns."""
        ...

    def informed(self, mean: Tensor, precision: Precision) -> Parameters:
        """Return the parameters nearest to `N(mean, precision^{-1})`, `mean` `(n,)`."""
        ...


@runtime_checkable
class PriorInside(Protocol):
    """A family whose covariance is made with the prior's."""

    def with_prior(self, precision: Product) -> Family:
        """Return the family under a prior, by products of its precision with rows `(S, n)`."""
        ...


@runtime_checkable
class FixedFactor(Protocol):
    """A family of which gradients of the ELBO move the mean alone."""

    @property
    def fixed(self) -> frozenset[str]:
        """Names of the parameters that no gradient moves."""
        ...


@runtime_checkable
class EstimatedDensity(Protocol):
    """A family whose density is known but for the constant's estimate."""

    def log_det_error(self, parameters: Parameters) -> float:
        """Return the standard error of `log q`, the same at every point."""
        ...


@runtime_checkable
class Coupled(Protocol):
    """A family whose parameters couple each cell to neighbours on the grid."""

    @property
    def couplings(self) -> Stencil:
        """Neighbours that a cell is coupled to."""
        ...

    @property
    def reach(self) -> tuple[int, int, int]:
        """Box of the couplings of a precision that `informed` reads, `(kz, ky, kx)`."""
        ...


@runtime_checkable
class StreamedDescent(Protocol):
    """A family whose gradients can go straight into Adam, without being stored.

    Its samples must be `mu + exp(log_sd) * eps` plus terms that are linear in all its other
    parameters, and its entropy the sum of `log_sd`. `mu` and `log_sd` are moved by the caller.
    """

    def descend_others(
        self, draw: Draw, moments: Mapping[str, Moments], steps: Mapping[str, AdamStep]
    ) -> float:
        """Move all parameters but `mu` and `log_sd` in place, as Adam with `pullback` would.

        `moments` are parameter, first and second moment by name. Return the sum of squares of
        the gradient, 0 where there are no other parameters.
        """
        ...


def couplings_of(family: object) -> Stencil | None:
    """Return the neighbours that a family couples; None for one that couples none."""
    return family.couplings if isinstance(family, Coupled) else None
