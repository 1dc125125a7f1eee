"""The compiled kernels of the variational update, on tensors.

One rounding an operation, in the order of offsets and samples: each is, to the bit, the same
formula in torch (`tests/numerics/stencil_twin.py`, `inference/adam.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from cffi import FFI
from torch import Tensor

from pvi_hpc.errors import SolverError
from pvi_hpc.numerics.native import library_folder, plain_c

__all__ = [
    "AdamStep",
    "Comparison",
    "Moments",
    "NativeStencil",
    "compare",
    "descend_cells",
    "load",
]

#: The C type of the numbers, and its bits, by dtype.
REALS: Final[Mapping[torch.dtype, tuple[str, int]]] = {
    torch.float32: ("float", 32),
    torch.float64: ("double", 64),
}

Moments = tuple[Tensor, Tensor, Tensor]


class Native(NamedTuple):
    """The library of one precision and the cffi instance that knows its types."""

    ffi: FFI
    lib: Any
    dtype: torch.dtype

    def call(self, name: str, *arguments: Any) -> None:
        """Call `pvi_NAME`.

        Raises
        ------
        SolverError
            If it returns another status than 0.
        """
        status = getattr(self.lib, f"pvi_{name}")(*arguments)
        if status:
            raise SolverError(f"pvi_{name} returned status {status} (variational_types.h).")

    def pointer(self, tensor: Tensor) -> Any:
        """Return the address of a contiguous tensor of this precision."""
        if tensor.dtype != self.dtype:
            raise SolverError(f"a tensor must be {self.dtype}, got {tensor.dtype}.")
        if not tensor.is_contiguous():
            raise SolverError(f"a tensor {tuple(tensor.shape)} must be contiguous.")
        return self.ffi.cast("real *", tensor.data_ptr())

    def moments(self, tensors: Moments) -> Any:
        """Return the struct of a parameter and its two moments."""
        return self.ffi.new("pvi_moments *", [self.pointer(t) for t in tensors])

    def source_hash(self) -> str:
        """Return the SHA-256 of the sources that the library was built from."""
        text: bytes = self.ffi.string(self.lib.pvi_source_hash())
        return text.decode()


@cache
def load(dtype: torch.dtype) -> Native:
    """Return the library of a precision, loaded once; SolverError if it is not installed."""
    real, bits = REALS[dtype]
    library = f"libpvi_variational_f{bits}.so"
    folder = library_folder(library)
    ffi = FFI()
    ffi.cdef(f"typedef {real} real;")
    ffi.cdef(plain_c(folder / "variational_types.h") + plain_c(folder / "variational.h"))
    return Native(ffi, ffi.dlopen(str(folder / library)), dtype)


@dataclass(frozen=True)
class AdamStep:
    """The numbers of one update of Adam, as in `variational_types.h`."""

    decay1: float
    gain1: float
    decay2: float
    gain2: float
    root_scale: float
    epsilon: float
    scale: float

    def numbers(self) -> tuple[float, ...]:
        """Return the fields in the order of the struct."""
        return (
            self.decay1,
            self.gain1,
            self.decay2,
            self.gain2,
            self.root_scale,
            self.epsilon,
            self.scale,
        )


class NativeStencil:
    """The couplings of a grid `(nz, ny, nx)` at `offsets`, lexicographically positive.

    Coefficients are `(K, nz, ny, nx)`, fields `(S, nz, ny, nx)`, both contiguous and of one
    precision, and zero in fixed cells. Results do not depend on torch's number of threads.
    """

    def __init__(self, shape: tuple[int, int, int], offsets: Sequence[tuple[int, ...]]) -> None:
        self.shape, self.offsets = shape, np.array(offsets, np.int32).reshape(-1, 3)

    def couple(self, coefficients: Tensor, values: Tensor, *, transposed: bool) -> Tensor:
        """Return `C values` or `C^T values`."""
        out = torch.empty_like(values)
        self._call("couple", values, int(transposed), coefficients, values, out)
        return out

    def solve(
        self, coefficients: Tensor, inv_diagonal: Tensor, values: Tensor, *, transposed: bool
    ) -> Tensor:
        """Return `(D + C)^{-1} values`, or of its transpose; `1 / D` is `(nz, ny, nx)`."""
        out = torch.empty_like(values)
        arguments = int(transposed), coefficients, inv_diagonal, values, out
        self._call("solve", values, *arguments)
        return out

    def products(self, eps: Tensor, cotangent: Tensor) -> Tensor:
        """Return the derivative of `cotangent . C eps` by the coefficients."""
        out = eps.new_empty(len(self.offsets), *self.shape)
        self._call("products", eps, eps, cotangent, out)
        return out

    def descend(
        self, eps: Tensor, cotangent: Tensor, coefficients: Moments, step: AdamStep
    ) -> float:
        """Update the coefficients, `products` their gradient; return its sum of squares."""
        native = load(eps.dtype)
        squares = native.ffi.new("double *")
        adam = native.ffi.new("pvi_adam *", step.numbers())
        moments = native.moments(coefficients)[0]
        self._call("descend_couplings", eps, eps, cotangent, moments, adam, squares)
        return float(squares[0])

    def _call(self, name: str, fields: Tensor, *arguments: Any) -> None:
        native = load(fields.dtype)
        offsets = native.ffi.from_buffer("int32_t[]", self.offsets)
        stencil = native.ffi.new(
            "pvi_stencil *",
            [self.shape, len(self.offsets), offsets, len(fields), torch.get_num_threads()],
        )
        plain = [native.pointer(a) if isinstance(a, Tensor) else a for a in arguments]
        native.call(name, stencil, *plain)


@dataclass(frozen=True)
class Comparison:
    """Comparison of two arrays: sums of `a a`, `a b`, `b b`, the largest `|a|` and `|b|`."""

    aa: float
    ab: float
    bb: float
    largest_a: float
    largest_b: float


def compare(a: Tensor, b: Tensor) -> Comparison:
    """Return float64 sums over all of two arrays, the same with any number of threads."""
    if not a.numel():
        return Comparison(0, 0, 0, 0, 0)
    native = load(a.dtype)
    result = native.ffi.new("double[5]")
    pointers = native.pointer(a), native.pointer(b)
    native.call("compare", a.numel(), torch.get_num_threads(), *pointers, result)
    return Comparison(*result)


def descend_cells(
    eps: Tensor,
    cotangent: Tensor,
    sd: Tensor,
    parameters: Sequence[Moments],
    steps: Sequence[AdamStep],
    entropy: float,
) -> tuple[float, float]:
    """Update mean and log sd of `theta = mu + sd eps + ...`; return the squared gradients.

    `eps` and `cotangent` are `(S, n)`, `sd` `(n,)`; `entropy` is subtracted from the gradient
    by log sd.
    """
    native = load(eps.dtype)
    cells = native.ffi.new("pvi_cells *", [*eps.T.shape, torch.get_num_threads(), entropy])
    moments = native.ffi.new("pvi_moments[2]", [native.moments(p)[0] for p in parameters])
    adam = native.ffi.new("pvi_adam[2]", [s.numbers() for s in steps])
    squares = native.ffi.new("double[2]")
    pointers = native.pointer(eps), native.pointer(cotangent), native.pointer(sd)
    native.call("descend_cells", cells, *pointers, moments, adam, squares)
    return float(squares[0]), float(squares[1])
