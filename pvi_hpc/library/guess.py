"""The start of a fit of an unknown density: where it is, and how wide, in any units.

L-BFGS climbs with a line search. Its end need not be where the mass is: a density may grow
without end into a corner that holds nothing. So Gaussians from the curvature along the path
compete, as in Pathfinder, with those of Newton's method at its end and at its beginning; the
largest ELBO wins. Beyond a hundred unknowns only scales are looked for.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor

from pvi_hpc.errors import NonFiniteError
from pvi_hpc.inference.draws import matched_pairs
from pvi_hpc.inference.paths.gaussians import PathGaussian, Point, gaussians_along
from pvi_hpc.inference.starts.newton import Local, ValueAndGradient, climb, newton
from pvi_hpc.inference.target import Target
from pvi_hpc.library.frame import Frame
from pvi_hpc.library.settings import DENSE
from pvi_hpc.numerics.random import keyed_rng
from pvi_hpc.numerics.reproducible import combine, log, one_thread, row_sums

__all__ = ["Guess", "first_guess", "from_curvature"]

#: Gaussians along the path that are looked at, and draws of each.
LOOKS: Final = 30
DRAWS: Final = 8
#: Searches of many unknowns, each in the units that the last has found.
SEARCHES: Final = 2
#: Gradients that find these units, the length of a difference, and the largest change of one.
PROBES: Final = 8
DIFFERENCE: Final = 0.01
MOST_CHANGE: Final = 1e4
#: So often a Gaussian is shrunk to a quarter until its draws have a density.
SHRINKINGS: Final = 30


@dataclass(frozen=True)
class Guess:
    """A first Gaussian: its frame, and its precision `(n, n)` in it, where that is known."""

    frame: Frame
    precision: Tensor | None = None


def first_guess(target: Target, first: Tensor, seed: int, samples: int) -> Guess:
    """Return the start from `first` `(n,)`.

    `samples` draws decide between the candidates, those of the first round of `fixed_draws`.

    Raises
    ------
    NonFiniteError
        If the density is not finite at `first`.
    """
    density, n = _function(target), len(first)
    if n > DENSE:
        return _of_many(density, first, seed)
    path = _climbed(density, first)
    best = _best(density, path, seed)
    eps = matched_pairs(n, samples, seed, 0)
    winner, most = None, -np.inf
    for candidate in _candidates(density, path, best):
        elbo = _elbo_of(density, candidate, eps)
        if elbo > most:
            winner, most = candidate, elbo
    return _framed(winner or _inside(density, path[-1], eps))


def _of_many(density: ValueAndGradient, first: Tensor, seed: int) -> Guess:
    """Return a frame by the path and the diagonal of the curvature, and then by another path.

    The first search is in the caller's units, which may differ so much that it does not arrive.
    """
    frame = Frame(first, torch.ones_like(first))
    for _ in range(SEARCHES):
        within = _within(density, frame)
        path = _climbed(within, torch.zeros_like(first))
        best, last = _best(within, path, seed), torch.from_numpy(path[-1].x)
        found = Frame(last, torch.ones_like(last)) if best is None else _wide(best)
        frame = Frame(
            frame.centre + frame.scale * found.centre,
            frame.scale * found.scale,
        )
        frame = Frame(frame.centre, _probed(density, frame, seed))
    return Guess(frame)


def _within(density: ValueAndGradient, frame: Frame) -> ValueAndGradient:
    def within(z: Tensor) -> tuple[Tensor, Tensor]:
        value, gradient = density(frame.centre + frame.scale * z)
        return value, gradient * frame.scale

    return within


def _probed(density: ValueAndGradient, frame: Frame, seed: int) -> Tensor:
    """Return `P_jj^{-1/2}` `(n,)` at the centre by sign probes, where it is positive.

    A scale changes by a factor of `MOST_CHANGE` at most, and not where there is no curvature.
    """
    within, n = _within(density, frame), len(frame.centre)
    signs = torch.from_numpy(keyed_rng(seed, "scales").integers(0, 2, (PROBES, n)) * 2.0 - 1.0)
    total = torch.zeros(n, dtype=torch.float64)
    for z in signs:
        value, gradient = within(torch.stack([DIFFERENCE * z, -DIFFERENCE * z]))
        if not (value.isfinite().all() and gradient.isfinite().all()):
            return frame.scale
        total += z * (gradient[1] - gradient[0]) / (2 * DIFFERENCE * PROBES)
    known = torch.where(total > MOST_CHANGE**-2, total, 1.0).numpy()
    return frame.scale * torch.from_numpy(known**-0.5).clamp(1 / MOST_CHANGE, MOST_CHANGE)


def _best(density: ValueAndGradient, path: list[Point], seed: int) -> PathGaussian | None:
    """Return the Gaussian of largest ELBO along a path; None where none has a density."""
    best, most = None, -np.inf
    for found in _spread(path):
        elbo = _elbo(density, found, seed)
        if elbo > most:
            best, most = found, elbo
    return best


def _inside(density: ValueAndGradient, last: Point, eps: Tensor) -> Local:
    """Return a Gaussian around the end of the path, so small that its draws have a density."""
    mean, scale = torch.from_numpy(last.x), 1.0
    one = torch.eye(len(mean), dtype=torch.float64)
    found = Local(mean, one)
    for _ in range(SHRINKINGS):
        if np.isfinite(_elbo_of(density, found, eps)):
            break
        scale *= 0.25
        found = Local(mean, scale * one)
    return found


def from_curvature(
    target: Target, first: Tensor, precision: Callable[[Tensor], Tensor | None]
) -> Guess:
    """Return the start where the user knows the curvature: the end of the search.

    With the `precision` `(n, n)` there one Newton step more is taken, if the density grows;
    None: it is not known as a matrix, or not positive definite.
    """
    density = _function(target)
    end = _climbed(density, first)[-1]
    mean, scale = torch.from_numpy(end.x), torch.ones(len(first), dtype=torch.float64)
    matrix = precision(mean)
    if matrix is not None:
        with one_thread():
            root = torch.linalg.cholesky(matrix)
            step = torch.cholesky_solve(torch.from_numpy(end.gradient)[:, None], root)[:, 0]
        value = density(torch.stack([mean, mean + step]))[0]
        mean = mean + step if bool(value[1] > value[0]) else mean
        scale = torch.from_numpy(matrix.diagonal().numpy() ** -0.5)
    return Guess(Frame(mean, scale))


def _function(target: Target) -> ValueAndGradient:
    def density(theta: Tensor) -> tuple[Tensor, Tensor]:
        value = target.value(theta)
        return value.log_likelihood + value.log_prior, value.gradient

    return density


def _climbed(density: ValueAndGradient, first: Tensor) -> list[Point]:
    path = climb(density, first)
    if not path:
        raise NonFiniteError(
            "The log density or its gradient is not finite where the search begins; give a "
            "'mean' where it is."
        )
    return path


def _spread(path: list[Point]) -> Iterator[PathGaussian]:
    """Yield Gaussians along the path, at most `LOOKS` of them, the last one among them."""
    found = [gaussian for _, gaussian in gaussians_along(path)]
    places = np.unique(np.linspace(0, len(found) - 1, min(LOOKS, len(found))).round())
    return (found[int(i)] for i in places)


def _elbo(density: ValueAndGradient, q: PathGaussian, seed: int) -> float:
    eps = matched_pairs(len(q.mean), DRAWS, seed, 0)
    value = density(q.sample(eps))[0]
    return float(value.mean()) + q.log_det if value.isfinite().all() else -np.inf


def _elbo_of(density: ValueAndGradient, q: Local, eps: Tensor) -> float:
    value, gradient = density(q.mean + combine(eps, q.factor.T.contiguous()))
    if not (value.isfinite().all() and gradient.isfinite().all()):
        return -np.inf
    return float(value.mean() + row_sums(log(q.factor.diagonal())[None])[0])


def _candidates(
    density: ValueAndGradient, path: list[Point], best: PathGaussian | None
) -> Iterator[Local]:
    first, last = (torch.from_numpy(point.x) for point in (path[0], path[-1]))
    one = torch.eye(len(first), dtype=torch.float64)
    refined = [newton(density, Local(first, one), move=best is None)]
    if best is not None:
        with one_thread():
            dense = best.dense()
            root, failed = torch.linalg.cholesky_ex(dense)
        factor = torch.diag(dense.diagonal().sqrt()) if int(failed) else root
        yield Local(best.mean, factor)
        refined.append(newton(density, Local(best.mean, factor), move=False))
        refined.append(newton(density, Local(last, factor)))
    yield from (found for found in refined if found is not None)


def _framed(winner: Local) -> Guess:
    precision = winner.precision
    scale = torch.from_numpy(precision.diagonal().numpy() ** -0.5)
    frame = Frame(winner.mean, scale)
    return Guess(frame, frame.matrix(precision))


def _wide(q: PathGaussian) -> Frame:
    """Return the frame of a path's Gaussian, with its marginal sds."""
    products = combine(q.gamma, q.beta)
    variance = q.alpha.numpy() + np.einsum("rn,rn->n", q.beta.numpy(), products.numpy())
    sound = np.where(variance > 0, variance, q.alpha.numpy())
    return Frame(q.mean, torch.from_numpy(np.sqrt(sound)))
