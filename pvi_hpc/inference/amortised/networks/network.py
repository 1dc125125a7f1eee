"""Base of networks that give a density of unknowns `theta` for data `x`."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Self

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from pvi_hpc.inference.amortised.settings import NetworkSettings
from pvi_hpc.plugins import Settings, load_choice

__all__ = ["Network", "NetworkOptions", "load_network", "perceptron"]

Hidden = Annotated[tuple[PositiveInt, ...], Field(min_length=1)]


class NetworkOptions(Settings):
    """Options that all networks have."""

    hidden: Hidden = Field((128, 128), description="Widths of the hidden layers.")


class Network(nn.Module, ABC):
    """A density `q(theta | x)`.

    Both are standardised: of the training pairs each component has mean 0 and sd 1. `n` and
    `d` are their numbers of components. A network is a torch module in float32.
    """

    Options: ClassVar[type[Settings]]
    #: False where only the density of each unknown by itself is modelled.
    joint: ClassVar[bool] = True

    @classmethod
    @abstractmethod
    def from_options(cls, n: int, d: int, options: Any) -> Self:
        """Return a new network, its weights from torch's random numbers.

        Raises
        ------
        ConfigError
            If such a network cannot be made of so many unknowns.
        """

    @abstractmethod
    def log_prob(self, theta: Tensor, x: Tensor) -> Tensor:
        """Return the log density `(B,)` of `theta` `(B, n)` for `x` `(B, d)`."""

    @property
    @abstractmethod
    def n_random(self) -> int:
        """Number of standard normal numbers of one draw."""

    @abstractmethod
    def sample(self, x: Tensor, eps: Tensor) -> Tensor:
        """Return draws `(B, S, n)` for `x` `(B, d)`, of normal numbers `(B, S, n_random)`."""


def perceptron(widths: Sequence[int]) -> nn.Sequential:
    """Return fully connected layers of these widths, SiLU between them."""
    layers: list[nn.Module] = []
    for i, (a, b) in enumerate(pairwise(widths)):
        layers += [nn.SiLU()] if i else []
        layers.append(nn.Linear(a, b))
    return nn.Sequential(*layers)


def load_network(settings: NetworkSettings, n: int, d: int, seed: int) -> Network:
    """Return a new network of `n` unknowns and `d` data, its weights from `seed`.

    Raises
    ------
    ConfigError
        If there is no such kind, or its options do not fit.
    """
    kind, options = load_choice(settings, "amortised.network")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network: Network = kind.from_options(n, d, options)
    return network
