"""Units in which a fit works: unknowns minus a centre, divided by scales."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor

from pvi_hpc.inference.log_prob_target import LogProb
from pvi_hpc.inference.starts.given_curvature import Products
from pvi_hpc.library.densities import Bounds
from pvi_hpc.numerics.reproducible import row_sums

__all__ = ["Coordinates", "Frame", "tolerant"]

#: Value of a density that no linear algebra can compute.
IMPOSSIBLE: Final = -torch.inf


@dataclass(frozen=True, eq=False)
class Frame:
    """The map `theta = centre + scale * z`, both `(n,)`, scales positive."""

    centre: Tensor
    scale: Tensor

    @property
    def log_slope(self) -> float:
        """Log determinant of `d theta / d z`."""
        return float(row_sums(torch.from_numpy(np.log(self.scale.numpy()))[None]))

    def density(self, log_prob: LogProb) -> LogProb:
        """Return the log density of `z` where `log_prob` is that of `theta`."""
        slope = self.log_slope
        return lambda z: log_prob(self.centre + self.scale * z) + slope

    def products(self, hvp: Products) -> Products:
        """Return the products with the precision of `z` where `hvp` are those of `theta`."""

        def products(z: Tensor, rows: Tensor) -> Tensor:
            found = hvp(self.centre + self.scale * z, self.scale * rows)
            # What is no tensor of that shape is refused, with its reason, by the caller.
            fits = isinstance(found, Tensor) and found.shape == rows.shape
            return self.scale * found if fits else found

        return products

    def matrix(self, precision: Tensor) -> Tensor:
        """Return the precision of `z` where `precision` `(n, n)` is that of `theta`."""
        return self.scale[:, None] * precision * self.scale


@dataclass(frozen=True, eq=False)
class Coordinates:
    """All that lies between a user's unknowns `x` and those of a fit, `z`, both `(S, n)`."""

    bounds: Bounds | None = None
    frame: Frame | None = None

    def given(self, z: Tensor) -> Tensor:
        """Return `x` of `z`."""
        if self.frame is not None:
            z = self.frame.centre + self.frame.scale * z
        return z if self.bounds is None else self.bounds.inside(z)

    def fitted(self, x: Tensor) -> Tensor:
        """Return `z` of `x`; ConfigError where `x` leaves the bounds."""
        if self.bounds is not None:
            x = self.bounds.outside(x)
        return x if self.frame is None else (x - self.frame.centre) / self.frame.scale

    def log_slope(self, x: Tensor) -> Tensor:
        """Return `log |dx / dz|` `(S,)`."""
        slope = torch.zeros(len(x), dtype=torch.float64)
        if self.bounds is not None:
            slope = slope + self.bounds.log_slope(self.bounds.outside(x))
        return slope if self.frame is None else slope + self.frame.log_slope

    def density(self, log_prob: LogProb) -> LogProb:
        """Return the log density of `z` where `log_prob` is that of `x`."""
        found = tolerant(log_prob)
        if self.bounds is not None:
            found = self.bounds.density(found)
        return found if self.frame is None else self.frame.density(found)


def tolerant(log_prob: LogProb) -> LogProb:
    """Return a density that is minus infinity where `log_prob` fails to factor a matrix.

    A batch in which one matrix has no Cholesky factor fails as a whole: its rows are then
    tried one by one.
    """

    def density(theta: Tensor) -> Tensor:
        try:
            return log_prob(theta)
        except (torch.linalg.LinAlgError, np.linalg.LinAlgError):  # type: ignore[attr-defined]
            if len(theta) == 1:
                return IMPOSSIBLE + 0 * theta.sum(dim=1)
            return torch.cat([density(row[None]) for row in theta])

    return density
