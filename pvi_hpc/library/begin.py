"""The state of a fit before its first iteration: coordinates, method, and start."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from pvi_hpc.families.capabilities import InformedStart
from pvi_hpc.families.family import Family
from pvi_hpc.families.load import load_family
from pvi_hpc.inference.history import History
from pvi_hpc.inference.log_prob_target import LogProb, LogProbTarget
from pvi_hpc.inference.method import StartsFamily, load_method
from pvi_hpc.inference.settings import HessianSettings, InferenceSettings, StartSettings
from pvi_hpc.inference.starts.given_curvature import Curvature, Products
from pvi_hpc.inference.target import NoTarget
from pvi_hpc.library.densities import Bounds, refuse_bounded_curvature
from pvi_hpc.library.frame import Coordinates
from pvi_hpc.library.guess import Guess, first_guess, from_curvature
from pvi_hpc.library.result import Fit
from pvi_hpc.library.second_derivatives import check_second_derivatives
from pvi_hpc.library.settings import (
    DENSE,
    draws_of,
    grid_of,
    inference_of,
    mean_of,
    start_of,
    with_method,
)

__all__ = ["Given", "begin"]

#: The start in a frame: sd 1; beyond `DENSE` unknowns sds are probed, up to 10.
IN_FRAME: Final = StartSettings(sd=1.0)
PROBED: Final = IN_FRAME.model_copy(update={"hessian": HessianSettings(max_sd=10.0)})
#: The start of methods that fit no member of a family, such as particles.
PLAIN: Final = StartSettings(
    sd=1.0,
    map_iterations=15,
    map_optimiser="lbfgs",
    map_step=0.3,
    hessian=HessianSettings(max_sd=100.0),
)
#: Methods that are a search themselves, which no other need precede.
SEARCHES: Final = frozenset({"pathfinder"})


@dataclass(frozen=True)
class Given:
    """Arguments of `pvi_hpc.fit`, as they came, but for the shape and the seed."""

    log_prob: LogProb
    shape: tuple[int, ...]
    seed: int
    mean: ArrayLike | None = None
    bounds: tuple[ArrayLike, ArrayLike] | None = None
    start: StartSettings | Mapping[str, Any] | None = None
    precision: ArrayLike | None = None
    hvp: Products | Literal["autograd"] | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)

    def inference(self) -> tuple[InferenceSettings, Family]:
        """Return the settings and the family; ConfigError where they are wrong."""
        n = int(torch.Size(self.shape).numel())
        found = inference_of(self.settings, n)
        family = load_family(found.family, grid_of(self.shape))
        return with_method(found, self.settings, family), family

    def limits(self) -> Bounds | None:
        """Return the bounds; ConfigError where they are wrong."""
        return None if self.bounds is None else Bounds.of(self.bounds, self.shape)


def begin(given: Given) -> tuple[Fit, Curvature | None]:
    """Return a fit before its first iteration, and the curvature that its family waits for.

    The curvature is None where it has been used.

    Raises
    ------
    ConfigError
        If an argument is impossible.
    NonFiniteError
        If the density is not finite at `mean`.
    """
    inference, family = given.inference()
    plain = Coordinates(given.limits())
    refuse_bounded_curvature(plain.bounds, given.precision, given.hvp)
    first = mean_of(given.mean, given.shape)
    if plain.bounds is not None and given.mean is not None:
        first = plain.fitted(first[None])[0]
    density = plain.density(given.log_prob)
    curvature = Curvature.of(family, given.seed, given.precision, given.hvp, density)
    if given.hvp == "autograd":
        check_second_derivatives(density, first)
    start = _start_of(given, inference, family)
    if start is None:
        return _in_frame(given, inference, family, (plain, first, curvature))
    if curvature is not None:
        start = start.model_copy(update={"hessian": None})
    target = LogProbTarget(density)
    method = load_method(family, target, inference, start, given.seed)
    if curvature is not None:
        curvature.check(method)
    state = method.init(first, start.sd)
    fit = Fit(given.shape, inference, start, given.seed, state, History(), target)
    return replace(fit, bounds=plain.bounds), curvature


def _start_of(
    given: Given, inference: InferenceSettings, family: Family
) -> StartSettings | None:
    """Return the start; None where one is to be looked for, in a frame of its own."""
    if given.start is not None:
        return start_of(given.start)
    if inference.method.kind in SEARCHES:
        return IN_FRAME
    method = load_method(family, NoTarget(), inference, IN_FRAME, given.seed)
    return None if isinstance(method, StartsFamily) else PLAIN


def _in_frame(
    given: Given,
    inference: InferenceSettings,
    family: Family,
    parts: tuple[Coordinates, Tensor, Curvature | None],
) -> tuple[Fit, None]:
    """Return a fit in a frame of its own, started there."""
    plain, first, known = parts
    free = LogProbTarget(plain.density(given.log_prob))
    start = PROBED if family.n > DENSE and known is None else IN_FRAME
    # What cannot work is refused before the density is evaluated.
    checked = load_method(family, free, inference, start, given.seed)
    if known is not None:
        known.check(checked)
        guess = from_curvature(free, first, _matrix_of(known))
    else:
        guess = first_guess(free, first, given.seed, draws_of(family.n))
    coordinates = Coordinates(plain.bounds, guess.frame)
    target = LogProbTarget(coordinates.density(given.log_prob))
    method = load_method(family, target, inference, start, given.seed)
    state = method.init(torch.zeros_like(first), start.sd)
    curvature = _framed(known, guess, family, given.seed)
    assert isinstance(method, StartsFamily)  # `_start_of` asks for it
    if curvature is not None:
        curvature.start(method, state)
    fit = Fit(given.shape, inference, start, given.seed, state, History(), target)
    return replace(
        fit,
        bounds=plain.bounds,
        frame=guess.frame,
        evaluations=free.evaluations,
    ), None


def _matrix_of(known: Curvature) -> Callable[[Tensor], Tensor | None]:
    """Return the map from a point to the precision there, None where it cannot be had."""

    def matrix(mean: Tensor) -> Tensor | None:
        found = known.matrix
        if found is None and known.products is not None and known.family.n <= DENSE:
            rows = known.products(mean, torch.eye(known.family.n, dtype=torch.float64))
            if not isinstance(rows, Tensor) or rows.shape != (known.family.n,) * 2:
                return None  # the start that follows says what is wrong
            found = (rows.detach().double() + rows.detach().double().T) / 2
        if found is None or not bool(found.isfinite().all()):
            return None
        return found if not int(torch.linalg.cholesky_ex(found)[1]) else None

    return matrix


def _framed(
    known: Curvature | None, guess: Guess, family: Family, seed: int
) -> Curvature | None:
    """Return the curvature in the frame: the user's, or that of the guess."""
    frame = guess.frame
    if known is not None:
        if known.matrix is not None:
            return replace(known, matrix=frame.matrix(known.matrix))
        assert known.products is not None
        return replace(known, products=frame.products(known.products))
    if guess.precision is None or not isinstance(family, InformedStart):
        return None
    return Curvature(family, seed, matrix=guess.precision)
