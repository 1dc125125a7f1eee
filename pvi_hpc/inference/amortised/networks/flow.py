"""Conditional normalising flows: neural posterior estimation, and an invertible network.

A flow maps `theta` to standard normal numbers by layers that networks of the data shape
(Papamakarios & Murray 2016; Greenberg et al. 2019). Layers are zuko's.
"""

from typing import Final, Self

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn
from zuko.flows import NSF
from zuko.flows.coupling import GeneralCouplingTransform
from zuko.lazy import LazyComposedTransform

from pvi_hpc.errors import ConfigError
from pvi_hpc.inference.amortised.networks.network import Hidden, Network, NetworkOptions
from pvi_hpc.numerics.standard_normal import HALF_LOG_2PI

__all__ = ["AffineCoupling", "FlowOptions", "SplineFlow", "SplineFlowOptions"]

#: Unknowns up to which each is shaped by all before it: a draw takes a pass for each of them.
FEW: Final = 10


class FlowOptions(NetworkOptions):
    """Options of conditional flows."""

    hidden: Hidden = Field((64, 64), description="Widths of the hidden layers of each layer.")
    layers: PositiveInt = Field(5, description="Layers of the flow.")


class SplineFlowOptions(FlowOptions):
    """Options of conditional spline flows."""

    bins: PositiveInt = Field(8, description="Pieces of each spline.")
    coupling: bool | None = Field(
        None,
        description="Let half of the unknowns shape the other half; false: each is shaped by "
        f"all before it, slower to draw from; null: couple more than {FEW} unknowns.",
    )


class _Flow(Network):
    """A chain of lazy transforms from `theta` to normal numbers."""

    chain: nn.Module
    n: int

    @property
    def n_random(self) -> int:
        """Number of standard normal numbers of one draw."""
        return self.n

    def log_prob(self, theta: Tensor, x: Tensor) -> Tensor:
        """Return the log density `(B,)` of `theta` `(B, n)` for `x` `(B, d)`."""
        eps, log_det = self.chain(x).call_and_ladj(theta)
        density: Tensor = log_det - 0.5 * (eps * eps).sum(-1) - self.n * HALF_LOG_2PI
        return density

    def sample(self, x: Tensor, eps: Tensor) -> Tensor:
        """Return draws `(B, S, n)` for `x` `(B, d)`, of normal numbers `(B, S, n)`."""
        wide = x[:, None].expand(*eps.shape[:2], x.shape[-1])
        drawn: Tensor = self.chain(wide).inv(eps)
        return drawn


class SplineFlow(_Flow):
    """Neural spline flow (Durkan et al. 2019), conditioned by data: the default."""

    Options = SplineFlowOptions

    def __init__(self, n: int, d: int, options: SplineFlowOptions) -> None:
        super().__init__()
        self.n = n
        coupling = n > FEW if options.coupling is None else options.coupling and n > 1
        self.chain = NSF(
            n,
            d,
            bins=options.bins,
            transforms=options.layers,
            hidden_features=options.hidden,
            activation=nn.SiLU,
            randperm=True,
            passes=2 if coupling else None,
        ).transform

    @classmethod
    def from_options(cls, n: int, d: int, options: SplineFlowOptions) -> Self:
        """Return a new network."""
        return cls(n, d, options)


class AffineCoupling(_Flow):
    """Conditional invertible network of affine couplings, trained by maximum likelihood.

    Ardizzone et al. 2019 (arXiv 1907.02392): networks of the data and of one half of the
    unknowns shift and scale the other half.
    """

    Options = FlowOptions

    def __init__(self, n: int, d: int, options: FlowOptions) -> None:
        super().__init__()
        self.n = n
        layers = []
        for _ in range(options.layers):
            half = torch.randperm(n) % 2 == 0
            network = {"hidden_features": options.hidden, "activation": nn.SiLU}
            layers += [
                GeneralCouplingTransform(n, d, mask, **network) for mask in (half, ~half)
            ]
        self.chain = LazyComposedTransform(*layers)

    @classmethod
    def from_options(cls, n: int, d: int, options: FlowOptions) -> Self:
        """Return a new network; ConfigError where there is nothing to couple."""
        if n < 2:
            raise ConfigError(
                "'amortised.network.kind: affine_coupling' needs at least 2 unknowns, got "
                f"{n}; choose 'spline_flow' or 'mixture'."
            )
        return cls(n, d, options)
