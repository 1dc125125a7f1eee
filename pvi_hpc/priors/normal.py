"""Velocities near a mean by depth, cut off at two bounds."""

from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal, Self, TypeAlias

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from pydantic import Discriminator, Field, Tag, model_validator
from scipy.special import log_ndtr, ndtri_exp
from torch import Tensor

from pvi_hpc.errors import ConfigError
from pvi_hpc.grid import Cells
from pvi_hpc.numerics.standard_normal import HALF_LOG_2PI
from pvi_hpc.priors.by_depth import ByDepthPrior, Table, TableSettings
from pvi_hpc.priors.correlations.cell_files import ArrayFile
from pvi_hpc.priors.prior import THETA_MAX
from pvi_hpc.priors.settings import PriorSettings

__all__ = ["Normal", "NormalSettings", "Rows"]

Array = NDArray[np.float64]


def _branch(value: Any) -> str:
    return "[file]" if isinstance(value, (dict, ArrayFile)) else "[rows]"


#: Rows of a matrix.
Rows: TypeAlias = tuple[tuple[float, ...], ...]
#: A square matrix: its rows, or a file.
Matrix: TypeAlias = Annotated[
    Annotated[Rows, Tag("[rows]")] | Annotated[ArrayFile, Tag("[file]")],
    Discriminator(_branch),
]


class NormalSettings(TableSettings):
    """Independent cells near a mean, cut off at the bounds that are given."""

    later: ClassVar[frozenset[str]] = frozenset({"covariance", "scale_tril", "precision"})

    kind: Literal["normal"]
    lower_m_s: Table | None = Field(
        None, description="Lowest velocity at every node [m/s], or a file; null: no bound."
    )
    upper_m_s: Table | None = Field(
        None, description="Highest velocity at every node [m/s], or a file; null: no bound."
    )
    mean_m_s: Table = Field(
        description="Mean at every node before the cut [m/s], or a file by cell."
    )
    sd_m_s: Table | None = Field(
        None,
        description="Standard deviation at every node before the cut [m/s], or a file; this or "
        "one of the three matrices is needed.",
    )
    covariance: Matrix | None = Field(
        None, description="Covariance [m2/s2] of all unknown cells, or of the unknown depths."
    )
    scale_tril: Matrix | None = Field(
        None, description="Lower triangular factor of the covariance [m/s]."
    )
    precision: Matrix | None = Field(
        None, description="Inverse of the covariance [s2/m2]; a sparse one stays sparse."
    )

    @property
    def matrix(self) -> tuple[str, Rows | ArrayFile] | None:
        """The matrix that is given, with its name."""
        for name in ("covariance", "scale_tril", "precision"):
            if (value := getattr(self, name)) is not None:
                return name, value
        return None

    @model_validator(mode="after")
    def _one_scale(self) -> Self:
        names = "sd_m_s", "covariance", "scale_tril", "precision"
        given = [name for name in names if getattr(self, name) is not None]
        if len(given) != 1:
            all_names = ", ".join(f"'prior.{name}'" for name in names)
            raise ValueError(
                f"exactly one of {all_names} must be given, got {' and '.join(given) or 'none'}"
            )
        rows = self.matrix[1] if self.matrix is not None else None
        if isinstance(rows, tuple) and {len(row) for row in rows} != {len(rows)}:
            raise ValueError(
                f"'{given[0]}' must be square, got {len(rows)} rows of "
                f"{', '.join(str(len(row)) for row in rows[:3])} ... values"
            )
        return self

    @model_validator(mode="after")
    def _inside(self) -> Self:
        tables = self.tables
        means = tables.get("mean_m_s", ())
        nothing = (None,) * len(means)
        rows = tables.get("lower_m_s", nothing), tables.get("upper_m_s", nothing)
        for z, mean, low, high in zip(self.depth_m, means, *rows, strict=False):
            if (low is not None and mean <= low) or (high is not None and mean >= high):
                span = " to ".join("any" if v is None else f"{v:g}" for v in (low, high))
                raise ValueError(
                    f"'mean_m_s' must lie between 'lower_m_s' and 'upper_m_s', got {mean:g} "
                    f"m/s at {z:g} m, bounds {span}"
                )
        return self


class Normal(ByDepthPrior):
    """Independent normal cells, truncated to `lower` and `upper`; all `(n,)` [m/s].

    Parameters
    ----------
    lower, upper
        Bounds.
    centre, scale
        Mean and sd of the normal before it is cut off; `mean` and `sd` are those after.
    """

    Options: ClassVar[type[PriorSettings]] = NormalSettings

    def __init__(
        self, lower: ArrayLike, upper: ArrayLike, centre: ArrayLike, scale: ArrayLike
    ) -> None:
        super().__init__(lower, upper)
        self._centre: Array = np.array(centre, dtype=np.float64)
        self._scale: Array = np.array(scale, dtype=np.float64)
        self._low = (self.lower - self._centre) / self._scale
        self._high = (self.upper - self._centre) / self._scale
        self._log_mass = _log_mass(self._low, self._high)
        if not np.isfinite(self._log_mass).all():
            raise ConfigError(
                "'sd_m_s' must leave the prior some probability between 'lower_m_s' and "
                "'upper_m_s', got less than a float64 resolves; widen it or move 'mean_m_s'."
            )
        self._log_norm = torch.from_numpy(self._log_mass + np.log(self._scale))

    @classmethod
    def from_options(cls, options: NormalSettings, cells: Cells) -> Self:
        """Return the prior of the active cells, tables linear between nodes."""
        centre, scale = (options.cell_values(f"{name}_m_s", cells) for name in ("mean", "sd"))
        lower, upper = cls.sides(options, centre, scale, cells)
        return cls(lower, upper, centre, scale)

    @classmethod
    def bounds(cls, options: NormalSettings, cells: Cells) -> tuple[float, float]:
        """Return the lowest and the highest velocity that any cell may have [m/s]."""
        if options.lower_m_s is not None and options.upper_m_s is not None:
            return super().bounds(options, cells)
        law = cls.from_options(options, cells)
        return float(law.lower.min()), float(law.upper.max())

    @classmethod
    def sides(
        cls, options: NormalSettings, centre: Array, scale: Array, cells: Cells
    ) -> tuple[Array, Array]:
        """Return the bounds of every cell; a side without one ends `THETA_MAX` sds away.

        What lies beyond has a probability that a float64 cannot add to one.
        """
        lower, upper = centre - THETA_MAX * scale, centre + THETA_MAX * scale
        if options.lower_m_s is not None:
            lower = options.cell_values("lower_m_s", cells)
        if options.upper_m_s is not None:
            upper = options.cell_values("upper_m_s", cells)
        return lower, upper

    @property
    def mean(self) -> Array:
        """Mean of every cell `(n,)` [m/s], after the cut."""
        return self._moments[0]

    @property
    def sd(self) -> Array:
        """Standard deviation of every cell `(n,)` [m/s], after the cut."""
        return self._moments[1]

    def _value(self, theta: Array) -> Array:
        # Sums of positive terms, no cancellation; the smaller tail keeps the digits.
        below = np.logaddexp(log_ndtr(self._low), self._log_mass + log_ndtr(theta))
        above = np.logaddexp(log_ndtr(-self._high), self._log_mass + log_ndtr(-theta))
        tail: Array = ndtri_exp(np.minimum(below, above))
        x: Array = np.where(below < above, tail, -tail)
        return self._centre + self._scale * x

    def _theta(self, m: Array) -> Array:
        x = np.clip((m - self._centre) / self._scale, self._low, self._high)
        below = _log_mass(self._low, x) - self._log_mass
        above = _log_mass(x, self._high) - self._log_mass
        tail: Array = ndtri_exp(np.minimum(np.minimum(below, above), 0))
        return np.where(below < above, tail, -tail)

    def _log_density(self, m: Tensor) -> Tensor:
        return -0.5 * self._standard(m).square() - HALF_LOG_2PI - self._log_norm

    def _log_slope(self, theta: Tensor, m: Tensor) -> Tensor:
        return self._log_norm + 0.5 * (self._standard(m).square() - theta * theta)

    def _standard(self, m: Tensor) -> Tensor:
        return (m - torch.from_numpy(self._centre)) / torch.from_numpy(self._scale)

    @cached_property
    def _moments(self) -> tuple[Array, Array]:
        """Return mean and sd of every cell by the trapezoidal rule in `theta`.

        It converges exponentially for a smooth integrand that decays like a Gaussian, and
        unlike the textbook formula loses no digits where the bounds are close.
        """
        columns = np.stack([self.lower, self.upper, self._centre, self._scale], axis=1)
        other = np.append(True, (columns[1:] != columns[:-1]).any(axis=1))
        if not other.all():  # cells of one depth follow each other and are alike
            law, where = Normal(*columns[other].T), np.cumsum(other) - 1
            return law.mean[where], law.sd[where]
        theta = np.linspace(-9, 9, 361)[:, None]
        weight = np.exp(-0.5 * theta**2) / np.exp(-0.5 * theta**2).sum()
        m = self.value(theta)
        mean = (weight * m).sum(axis=0)
        return mean, np.sqrt((weight * (m - mean) ** 2).sum(axis=0))


def _log_mass(low: Array, high: Array) -> Array:
    """Return the log probability of a standard normal between `low` and `high`."""
    # In the lower tail by symmetry, where log_ndtr has all its digits.
    flip = low > -high
    a, b = np.where(flip, -high, low), np.where(flip, -low, high)
    upper = log_ndtr(b)
    with np.errstate(divide="ignore"):
        return np.asarray(upper + np.log(-np.expm1(np.minimum(log_ndtr(a) - upper, 0))))
