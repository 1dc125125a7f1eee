"""PSVI: each cell is correlated with its neighbours (Zhao & Curtis 2024, JGR 129(11))."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Final, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pvi_hpc.errors import ConfigError
from pvi_hpc.families.family import Parameters
from pvi_hpc.families.gaussian import GaussianFamily, location_scale
from pvi_hpc.families.stencil import Stencil
from pvi_hpc.families.triangular import TriangularPattern
from pvi_hpc.reproducible import exp

__all__ = ["Structured"]

DEFAULT_STENCIL: Final = (5, 5, 5)


class Structured(GaussianFamily):
    """`theta = mu + exp(log_sd) * eps + sum_k shift_k(c_k * eps)`.

    Parameters `mu`, `log_sd` `(n,)` and `coefficients` `(K, nz, ny, nx)`, one array for each
    of the `K = (kz ky kx - 1) / 2` offsets; zero, and staying so, where a coupling would
    leave the grid or touch a fixed cell.
    """

    def __init__(self, stencil: Stencil) -> None:
        super().__init__(int(stencil.active.sum()))
        self.stencil = stencil
        # K couplings that move at random then change a cell's sd as much as its log_sd does.
        # With the full step and a 5 x 5 x 5 stencil L^{-1} grows without bound.
        self.step_scales = {"coefficients": max(1, len(stencil.offsets)) ** -0.5}

    @classmethod
    def from_options(cls, active: NDArray[np.bool_], options: Mapping[str, Any]) -> Self:
        """Return the family of the `active` cells; option `stencil: [kz, ky, kx]`.

        Raises
        ------
        ConfigError
            If an option is unknown, or the stencil is even or larger than the grid.
        """
        unknown = sorted(set(options) - {"stencil"})
        if unknown:
            raise ConfigError(
                "'inference.family.options' of 'structured' must be 'stencil', got "
                f"{unknown}; correct the spelling or remove them."
            )
        size = _check_size(options.get("stencil", DEFAULT_STENCIL), active.shape)
        return cls(Stencil(active, size))

    def initial(self, mean: Tensor, sd: float) -> Parameters:
        """Return the parameters of independent cells, `mean` `(n,)` and one sd."""
        coefficients = torch.zeros(self.stencil.shape, dtype=mean.dtype)
        return {**super().initial(mean, sd), "coefficients": coefficients}

    def sample(self, parameters: Parameters, eps: Tensor) -> Tensor:
        """Return `theta` `(S, n)` of `eps` `(S, n)`, differentiable by the parameters."""
        arguments = parameters["coefficients"], eps, self.stencil
        neighbours: Tensor = _Couple.apply(*arguments)  # type: ignore[no-untyped-call]
        return location_scale(parameters, eps) + neighbours

    def standardise(self, parameters: Parameters, theta: Tensor) -> Tensor:
        """Return `L^{-1} (theta - mu)` `(S, n)`."""
        b = theta.detach() - self.mean(parameters)
        return torch.from_numpy(self._pattern.solve(*_factors(parameters), b.numpy()))

    def score(self, parameters: Parameters, eps: Tensor) -> Tensor:
        """Return `-L^{-T} eps` `(S, n)`."""
        b = -eps.detach().numpy()
        return torch.from_numpy(self._pattern.solve_transposed(*_factors(parameters), b))

    def sd(self, parameters: Parameters) -> Tensor:
        """Return the marginal standard deviations `(n,)`: the norms of the rows of `L`."""
        ones = torch.ones(1, self.n, dtype=torch.float64)
        squares = parameters["coefficients"].detach().square()
        diagonal = exp(parameters["log_sd"])
        return (diagonal * diagonal + self.stencil.couple(squares, ones)[0]).sqrt()

    @cached_property
    def _pattern(self) -> TriangularPattern:
        return TriangularPattern.of(self.stencil)


class _Couple(torch.autograd.Function):
    """The couplings of a stencil, linear in the coefficients and in `eps`."""

    @staticmethod
    def forward(ctx: Any, coefficients: Tensor, eps: Tensor, stencil: Stencil) -> Tensor:
        ctx.save_for_backward(coefficients, eps)
        ctx.stencil = stencil
        return stencil.couple(coefficients, eps)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        coefficients, eps = ctx.saved_tensors
        by_coefficients, by_eps, _ = ctx.needs_input_grad
        return (
            ctx.stencil.products(eps, gradients[0]) if by_coefficients else None,
            ctx.stencil.couple_back(coefficients, gradients[0]) if by_eps else None,
            None,
        )


def _factors(parameters: Parameters) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    diagonal = exp(parameters["log_sd"]).numpy()
    return diagonal, parameters["coefficients"].detach().numpy()


def _check_size(size: Any, shape: Sequence[int]) -> tuple[int, int, int]:
    right = isinstance(size, Sequence) and len(size) == 3
    if not right or not all(isinstance(k, int) and k > 0 and k % 2 for k in size):
        raise ConfigError(
            "'inference.family.options.stencil' must be three odd numbers of cells "
            f"[kz, ky, kx], got {size!r}."
        )
    if any(k > n for k, n in zip(size, shape, strict=True)):
        raise ConfigError(
            "'inference.family.options.stencil' must not be larger than the grid "
            f"{tuple(shape)}, got {list(size)}; choose a smaller one."
        )
    return size[0], size[1], size[2]
