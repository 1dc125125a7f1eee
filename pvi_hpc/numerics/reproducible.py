"""Operations on tensors whose bits do not depend on the number of threads.

Elementwise `+ - * /` are exact in IEEE 754 and need no care, nor does NumPy's square root;
torch's is from a vector library and off by one bit here and there. Nor are exponentials exact:
a vectorised loop and its scalar remainder round differently, and where the remainder starts
depends on how threads share the array. So does the order in which a sum is added up.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = [
    "combine",
    "dot",
    "exp",
    "in_threads",
    "inner_products",
    "log",
    "one_thread",
    "row_sums",
    "sqrt",
    "sum_samples",
]


Item = TypeVar("Item")
Result = TypeVar("Result")


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute with one thread: matrix products and sums then have one order of addition."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def in_threads(work: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    """Yield `work(item)` in the order of the items, as many at once as torch has threads.

    Each is the work of one thread, so that its bits do not depend on their number.
    """
    threads = torch.get_num_threads()
    if len(items) == 1 or threads == 1:
        with one_thread():
            yield from map(work, items)
        return
    # OpenMP counts the threads of each thread that calls it: products here are serial too.
    serial: Any = {"initializer": torch.set_num_threads, "initargs": (1,)}
    with one_thread(), ThreadPoolExecutor(threads, **serial) as pool:
        # No more at once than are worked on: a result may be large.
        for first in range(0, len(items), threads):
            yield from pool.map(work, items[first : first + threads])


def exp(x: Tensor) -> Tensor:
    """Return `exp(x)` of any shape, in one thread, without gradient."""
    return torch.from_numpy(np.asarray(np.exp(x.detach().numpy())))


def sqrt(x: Tensor) -> Tensor:
    """Return the correctly rounded square root of any shape, without gradient."""
    return torch.from_numpy(np.asarray(np.sqrt(x.detach().numpy())))


def log(x: Tensor) -> Tensor:
    """Return the natural logarithm of any shape, in one thread, without gradient."""
    return torch.from_numpy(np.log(x.detach().numpy()))


def sum_samples(x: Tensor) -> Tensor:
    """Return the sum over the first axis, `(S, ...) -> (...)`, in the order of samples."""
    total = x[0].clone()
    for sample in x[1:]:
        total += sample
    return total


def row_sums(x: Tensor) -> Tensor:
    """Return the sum of every row in float64, `(S, n) -> (S,)`, in one thread, no gradient."""
    rows = np.ascontiguousarray(x.detach().numpy())
    return torch.from_numpy(rows.sum(axis=1, dtype=np.float64))


def inner_products(a: Tensor, b: Tensor) -> Tensor:
    """Return `a_i . b_j` in float64, `(R, n), (S, n) -> (R, S)`, in one thread, no gradient."""
    x, y = a.detach().numpy(), b.detach().numpy()
    return torch.from_numpy(np.einsum("rn,sn->rs", x, y, dtype=np.float64))


def dot(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Return the inner product of two arrays of one shape.

    It is not a product of BLAS, whose order of addition depends on threads.
    """
    return float(np.sum(a * b))


def combine(weights: Tensor, rows: Tensor) -> Tensor:
    """Return `weights @ rows`, `(S, R), (R, n) -> (S, n)`, in one thread, without gradient."""
    w = weights.detach().to(rows.dtype).numpy()
    return torch.from_numpy(np.einsum("sr,rn->sn", w, rows.detach().numpy()))
