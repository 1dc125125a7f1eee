r"""Velocities of any marginal by depth, of which neighbouring cells are alike.

A Gaussian copula: :math:`m = F^{-1}(\Phi(L \xi))` with :math:`\xi \sim N(0, I)`, :math:`F` the
distribution function of each cell by itself, and :math:`L L^T` a correlation of Matern class,
the product of one Matern correlation for each axis ("separable"), so that every cell keeps its
marginal exactly. With equal lengths along the axes it is nearly isotropic for a smoothness of
3/2 and more; for 1/2 its contours are diamonds.
"""

from collections.abc import Iterable
from typing import Annotated, Any, ClassVar, Final, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, PositiveFloat, model_validator
from torch import Tensor

from pvi_hpc.errors import ConfigError, Finding, ok, warning
from pvi_hpc.grid import Cells
from pvi_hpc.numerics.standard_normal import log_density
from pvi_hpc.plugins import Values
from pvi_hpc.priors.by_depth import ByDepthPrior, ByDepthSettings
from pvi_hpc.priors.normal import Normal, NormalSettings
from pvi_hpc.priors.prior import START_THETA_MAX, IndependentPrior
from pvi_hpc.priors.separable import SeparableCorrelation, matern_correlation
from pvi_hpc.priors.settings import PriorSettings
from pvi_hpc.priors.uniform import Uniform, UniformSettings

__all__ = ["Matern", "MaternSettings"]

Array = NDArray[np.float64]

#: Smoothness of a field: below 1/2 it is rougher than any rock, above 5/2 float64 fails soon.
Smoothness = Annotated[float, Field(ge=0.5, le=2.5)]
#: A starting model that the correlation allows is followed to this many sds of each cell.
START_ERROR: Final = 0.1


class MaternSettings(ByDepthSettings):
    """Correlated cells: each by itself is uniform or normal, neighbours are alike."""

    kind: Literal["matern"]
    length_m: PositiveFloat | tuple[PositiveFloat, PositiveFloat, PositiveFloat] = Field(
        description="Correlation length, one or (z, y, x) [m]."
    )
    smoothness: Smoothness | tuple[Smoothness, Smoothness, Smoothness] = Field(
        1.5, description="Matern index from 0.5 (rough) to 2.5 (smooth), one or (z, y, x)."
    )
    marginal: Literal["uniform", "normal"] = Field(
        "uniform", description="Distribution of each cell by itself."
    )
    mean_m_s: Values | None = Field(
        None, description="'marginal: normal' only: mean at every node before the cut [m/s]."
    )
    sd_m_s: Values | None = Field(
        None, description="'marginal: normal' only: sd at every node before the cut [m/s]."
    )

    @property
    def of_cells(self) -> UniformSettings | NormalSettings:
        """Settings of the cells by themselves."""
        tree = self.model_dump(include=set(NormalSettings.model_fields), exclude_none=True)
        kind = NormalSettings if self.marginal == "normal" else UniformSettings
        return kind.model_validate({**tree, "kind": self.marginal})

    def along(self, axis: int) -> tuple[float, float]:
        """Return length [m] and smoothness along axis 0 (z), 1 (y) or 2 (x)."""
        both = self.length_m, self.smoothness
        length, smoothness = (v[axis] if isinstance(v, tuple) else v for v in both)
        return length, smoothness

    @model_validator(mode="after")
    def _marginal(self) -> Self:
        given = [name for name in ("mean_m_s", "sd_m_s") if getattr(self, name) is not None]
        if self.marginal == "uniform" and given:
            raise ValueError(
                f"'marginal: uniform' must not have {' and '.join(given)}; remove them, or "
                "choose 'marginal: normal'"
            )
        if self.marginal == "normal" and len(given) < 2:
            raise ValueError(f"'marginal: normal' needs 'mean_m_s' and 'sd_m_s', got {given}")
        _ = self.of_cells  # its own checks
        return self


class Matern:
    """Cells of a box with the distributions of `marginal`, correlated by `correlation`."""

    Options: ClassVar[type[PriorSettings]] = MaternSettings

    def __init__(self, marginal: IndependentPrior, correlation: SeparableCorrelation) -> None:
        self.marginal, self.correlation = marginal, correlation

    def __repr__(self) -> str:
        """Name the prior and that of a cell by itself."""
        return f"<Matern prior, each cell by itself {self.marginal!r}>"

    @classmethod
    def from_options(cls, options: MaternSettings, cells: Cells) -> Self:
        """Return the prior of the active cells.

        Raises
        ------
        ConfigError
            If they fill no box of the grid, or a length is too long for its smoothness.
        """
        box = cells.box
        if box is None:
            raise ConfigError(
                "'prior.kind: matern' needs unknown cells that fill a box of the grid; choose "
                "a 'fixed_above_m' above its last cell."
            )
        correlations = []
        for axis, part in enumerate(box):
            places = cells.grid.axis(axis)[part]
            distance = np.abs(places[:, None] - places)
            correlations.append(matern_correlation(distance, *options.along(axis)))
        of_cells = options.of_cells
        kind = _kind(options)
        return cls(kind.from_options(of_cells, cells), SeparableCorrelation(correlations))

    @classmethod
    def bounds(cls, options: MaternSettings, cells: Cells) -> tuple[float, float]:
        """Return the lowest and the highest velocity that any cell may have [m/s]."""
        return _kind(options).bounds(options.of_cells, cells)

    @classmethod
    def check(cls, options: MaternSettings, cells: Cells) -> Iterable[Finding]:
        """Say how many cells the lengths are, and which fit the grid badly."""
        yield from _kind(options).check(options.of_cells, cells)
        grid, box = cells.grid, cells.box
        lengths = [options.along(axis)[0] for axis in range(3)]
        counts = ", ".join(f"{n / h:.1f}" for n, h in zip(lengths, grid.spacing, strict=True))
        yield ok("prior.length_m", f"correlation lengths of {counts} cells along z, y, x.")
        for name, length, h, part in zip("zyx", lengths, grid.spacing, box or (), strict=False):
            size = (part.stop - part.start) * h
            if size > h and length < h:
                yield warning(
                    "prior.length_m",
                    f"is {length:g} m along {name}, less than a cell of {h:g} m: neighbours "
                    "are all but independent. Choose a longer one, or a finer grid.",
                )
            elif size > h and length > size:
                yield warning(
                    "prior.length_m",
                    f"is {length:g} m along {name}, more than the {size:g} m of unknown cells: "
                    "they are all but equal along it. Choose a shorter one if they are not.",
                )

    @property
    def lower(self) -> Array:
        """Lowest velocity of every cell `(n,)` [m/s]."""
        return self.marginal.lower

    @property
    def upper(self) -> Array:
        """Highest velocity of every cell `(n,)` [m/s]."""
        return self.marginal.upper

    @property
    def mean(self) -> Array:
        """Mean of every cell `(n,)` [m/s]."""
        return self.marginal.mean

    @property
    def sd(self) -> Array:
        """Standard deviation of every cell `(n,)` [m/s]."""
        return self.marginal.sd

    def from_normal(self, theta: Tensor) -> Tensor:
        """Return velocities `(S, n)` [m/s] of `theta` `(S, n)`, differentiable once."""
        field: Tensor = _Correlate.apply(theta, self.correlation)  # type: ignore[no-untyped-call]
        return self.marginal.from_normal(field)

    def to_normal(self, m: Tensor) -> Tensor:
        """Return `theta` `(S, n)` of velocities `(S, n)` [m/s]; large where they are rough."""
        return self.correlation.whiten(self.marginal.to_normal(m))

    def start(self, m: Tensor) -> Tensor:
        """Return `theta` `(S, n)` of a model near `m`, at most `START_THETA_MAX` in size.

        The rougher `m` is for the correlation, the smoother is the model that stands for it.
        """
        field = self.marginal.to_normal(m).clamp(-START_THETA_MAX, START_THETA_MAX)
        return torch.stack([self._start(row[None])[0] for row in field])

    def direction(self, cells: Tensor) -> Tensor:
        """Return the direction `(n,)` of `theta` in which the sum over `cells` grows most."""
        return self.correlation.correlate_back(cells[None])[0]

    def log_prob(self, m: Tensor) -> Tensor:
        """Return the log density `(S,)` of velocities `(S, n)`; -inf outside the bounds."""
        field = self.marginal.to_normal(m)
        copula = log_density(self.correlation.whiten(field)) - log_density(field)
        return self.marginal.log_prob(m) + copula - self.correlation.log_det

    def log_abs_det(self, theta: Tensor) -> Tensor:
        """Return `log |dm/dtheta|` `(S,)` at `theta` `(S, n)`."""
        field = self.correlation.correlate(theta)
        return self.marginal.log_abs_det(field) + self.correlation.log_det

    def sample(self, rng: np.random.Generator, n: int) -> Array:
        """Return `n` draws `(n, cells)` [m/s]."""
        xi = torch.from_numpy(rng.standard_normal((n, len(self.lower))))
        return self.marginal.value(self.correlation.correlate(xi).numpy())

    def quantile(self, p: float) -> Array:
        """Return the velocity `(n,)` [m/s] that a cell stays below with probability `p`."""
        return self.marginal.quantile(p)

    def _start(self, field: Tensor) -> Tensor:
        sd = START_ERROR
        while (theta := self.correlation.plausible(field, sd)).abs().max() > START_THETA_MAX:
            sd *= 2
        return theta


class _Correlate(torch.autograd.Function):
    """`L xi`, and `L^T` on the way back."""

    @staticmethod
    def forward(ctx: Any, xi: Tensor, correlation: SeparableCorrelation) -> Tensor:
        ctx.correlation = correlation
        return correlation.correlate(xi)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return ctx.correlation.correlate_back(gradients[0]), None


def _kind(options: MaternSettings) -> type[ByDepthPrior]:
    """Return the class of the cells by themselves."""
    return Normal if options.marginal == "normal" else Uniform
