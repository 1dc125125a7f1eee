"""Log densities as users have them: written with NumPy, or of unknowns inside bounds."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torch.nn.functional import logsigmoid

from pvi_hpc.errors import ConfigError
from pvi_hpc.inference.log_prob_target import LogProb

__all__ = ["Bounds", "numpy_log_prob", "refuse_bounded_curvature"]

Array = NDArray[np.float64]
#: Takes `theta` `(S, n)`, returns the log density `(S,)` and its gradient `(S, n)`.
NumpyLogProb = Callable[[Array], tuple[ArrayLike, ArrayLike]]


def numpy_log_prob(function: NumpyLogProb) -> LogProb:
    """Return a log density for `fit` from a NumPy function that knows its gradient.

    Parameters
    ----------
    function
        Takes `theta` `(S, n)` float64, returns the log density `(S,)` and its gradient
        `(S, n)`.

    Examples
    --------
    >>> import numpy as np
    >>> from pvi_hpc import fit, numpy_log_prob
    >>> def normal(theta):
    ...     return -0.5 * np.sum((theta - 3) ** 2, axis=1), 3 - theta
    >>> posterior = fit(numpy_log_prob(normal), 4, seed=1)
    >>> bool(abs(posterior.mean - 3).max() < 0.1)
    True
    """

    class Density(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, theta: Tensor) -> Tensor:
            found = function(theta.detach().numpy().copy())
            if not isinstance(found, tuple) or len(found) != 2:
                raise ConfigError(
                    "A function for 'numpy_log_prob' must return a pair, the log density (S,) "
                    f"and its gradient (S, n), got {type(found).__name__}."
                )
            value, gradient = (np.asarray(part, dtype=np.float64) for part in found)
            if value.shape != theta.shape[:1] or gradient.shape != theta.shape:
                raise ConfigError(
                    "A function for 'numpy_log_prob' must return shapes "
                    f"{tuple(theta.shape[:1])} and {tuple(theta.shape)}, got {value.shape} and "
                    f"{gradient.shape}."
                )
            ctx.save_for_backward(torch.from_numpy(gradient))
            return torch.from_numpy(value)

        @staticmethod
        def backward(ctx: Any, *cotangents: Tensor) -> Tensor:
            gradient: Tensor = ctx.saved_tensors[0]
            return gradient * cotangents[0][:, None]

    def log_prob(theta: Tensor) -> Tensor:
        found: Tensor = Density.apply(theta)  # type: ignore[no-untyped-call]
        return found

    return log_prob


@dataclass(frozen=True, eq=False)
class Bounds:
    """Bounds of unknowns, and the map from unbounded ones `y` to those inside, `x`.

    Between two bounds `x = lower + (upper - lower) / (1 + exp(-y))`; beyond one of them
    `x = lower + exp(y)` or `x = upper - exp(y)`; without any `x = y`.

    Parameters
    ----------
    lower, upper
        Bounds `(n,)`, infinite where there is none.
    """

    lower: Tensor
    upper: Tensor

    @classmethod
    def of(cls, bounds: tuple[ArrayLike, ArrayLike], shape: tuple[int, ...]) -> "Bounds":
        """Return the bounds that a user gives, each a number or an array of `shape`.

        Raises
        ------
        ConfigError
            If they are no pair, have another shape, or do not leave room.
        """
        try:
            lower, upper = (
                np.broadcast_to(np.asarray(b, dtype=np.float64), shape).ravel() for b in bounds
            )
        except (TypeError, ValueError) as error:
            raise ConfigError(
                "'bounds' must be a pair (lower, upper) of numbers or arrays of shape "
                f"{shape}, got {bounds!r}: {error}."
            ) from error
        if not (lower < upper).all():  # also where one is NaN
            raise ConfigError(
                f"'bounds' must have 'lower' below 'upper' everywhere, got {bounds!r}."
            )
        return cls(torch.from_numpy(lower.copy()), torch.from_numpy(upper.copy()))

    def inside(self, y: Tensor) -> Tensor:
        """Return `x` `(S, n)` of `y` `(S, n)`."""
        low, high = self.lower.isfinite(), self.upper.isfinite()
        both, one = low & high, low ^ high
        span = torch.where(both, self.upper - self.lower, 0.0)
        grown = torch.exp(torch.where(one, y, 0.0))
        x = torch.where(low, self.lower + grown, y)
        x = torch.where(high & ~low, self.upper - grown, x)
        return torch.where(both, self.lower + span * torch.sigmoid(y), x)

    def log_slope(self, y: Tensor) -> Tensor:
        """Return `log |dx/dy|` `(S,)`, summed over the unknowns."""
        low, high = self.lower.isfinite(), self.upper.isfinite()
        both, one = low & high, low ^ high
        span = torch.where(both, self.upper - self.lower, 1.0)
        within = torch.log(span) + logsigmoid(y) + logsigmoid(-y)
        slope = torch.where(both, within, torch.where(one, y, 0.0))
        return slope.sum(dim=1)

    def outside(self, x: Tensor) -> Tensor:
        """Return `y` of `x`, both `(S, n)`.

        Raises
        ------
        ConfigError
            If a value is not strictly inside the bounds.
        """
        if not bool(((x > self.lower) & (x < self.upper)).all()):
            raise ConfigError("Values must lie strictly inside 'bounds'; move them inside.")
        low, high = self.lower.isfinite(), self.upper.isfinite()
        both = low & high
        share = torch.where(both, (x - self.lower) / (self.upper - self.lower), 0.5)
        y = torch.where(low & ~high, torch.log(torch.where(low, x - self.lower, 1.0)), x)
        y = torch.where(high & ~low, torch.log(torch.where(high, self.upper - x, 1.0)), y)
        return torch.where(both, torch.logit(share), y)

    def density(self, log_prob: LogProb) -> LogProb:
        """Return the log density of `y` where `log_prob` is that of `x`."""
        return lambda y: log_prob(self.inside(y)) + self.log_slope(y)


def refuse_bounded_curvature(bounds: Bounds | None, precision: object, hvp: object) -> None:
    """Raise ConfigError where a curvature of bounded unknowns is given."""
    given = "precision" if precision is not None else "hvp"
    if bounds is not None and (precision is not None or hvp not in (None, "autograd")):
        raise ConfigError(
            f"'{given}' must be left out with 'bounds': the curvature would have to be that of "
            "the unbounded unknowns; 'hvp=\"autograd\"' finds it."
        )
