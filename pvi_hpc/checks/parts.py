"""Can the parts that a run names be put together: model map, family and executor?"""

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from pvi_hpc.config.project import Run
from pvi_hpc.errors import Finding, PviError, error, warning
from pvi_hpc.execution.executor import executor_class
from pvi_hpc.grid import apart_from_middle

if TYPE_CHECKING:  # these load torch
    from pvi_hpc.families.family import Family
    from pvi_hpc.inference.method import Method

__all__ = ["check_executor", "check_family", "check_model_map", "method_of"]

#: Correlation of the prior beyond a family's reach that a user is told of.
CORRELATED: Final = 0.25
#: A start is told to be another than the one given from so many sds of the prior on.
START_APART: Final = 0.5


def check_model_map(run: Run) -> Iterator[Finding]:
    """Check that prior and start make a map of the unknowns, as the inversion makes it."""
    # Imported here, as below: these load torch.
    from pvi_hpc.problem.model_map import ModelMap
    from pvi_hpc.problem.starting_model import starting_model

    try:
        start, coordinates = starting_model(run), run.inference.coordinates
        model_map = ModelMap.build(run.cells, run.prior, start, coordinates)
    except PviError as fault:
        yield error("start.model", str(fault))
        return
    apart = abs(model_map.start_model() - model_map.start)[model_map.active]
    in_sds = apart / model_map.prior.sd
    if in_sds.max() > START_APART:
        yield warning(
            "start.model",
            f"is one that the prior hardly allows: the inversion starts from another, up to "
            f"{apart.max():.3g} m/s or {in_sds.max():.2g} sds of the prior away. Smooth it "
            "('start.smooth_m'), or give the prior wider tables or shorter lengths.",
        )


def check_family(run: Run) -> Iterator[Finding]:
    """Check that there is such a family and method, and that their options suit the grid."""
    from pvi_hpc.answers.block_tails import is_gaussian

    setting = "inference.family"
    try:
        family = _family(run)
        setting = "inference.method"
        method = _method(run, family)
    except PviError as fault:
        yield error(setting, str(fault))
        return
    with suppress(PviError):  # `check_prior` reports it
        yield from _check_reach(run, family)
    if run.posterior.k_hat is not None and not is_gaussian(method):
        yield error(
            "posterior.k_hat",
            "must be null unless 'inference.method.kind' is 'vi' and the family a Gaussian, "
            f"got '{run.inference.method.kind}' with '{run.inference.family.kind}'; remove it.",
        )


def _check_reach(run: Run, family: "Family") -> Iterator[Finding]:
    """Warn of a family that ends long before the prior's correlation does.

    Around the middle unknown cell, as `prior.kind` correlates the others with it.
    """
    import torch

    from pvi_hpc.families.capabilities import InformedStart, couplings_of
    from pvi_hpc.priors.capabilities import GaussianPrecision
    from pvi_hpc.priors.load import load_prior

    local = isinstance(family, InformedStart) and family.reads in ("diagonal", "couplings")
    if not local or run.inference.coordinates != "field" or run.cells.n == 0:
        return
    prior = load_prior(run.prior, run.cells)  # only here: its set-up may take seconds
    if not isinstance(prior, GaussianPrecision):
        return
    middle, apart = apart_from_middle(run.cells.active)
    one = torch.zeros(1, run.cells.n, dtype=torch.float64)
    one[0, middle] = 1
    correlation = prior.covariance_product(one)[0].numpy()
    stencil = couplings_of(family)
    reach = [0, 0, 0] if stencil is None else [k // 2 for k in stencil.size]
    beyond = (apart > reach).any(axis=1)
    strongest = float(correlation[beyond].max(initial=0.0))
    if strongest > CORRELATED:
        cells = ", ".join(map(str, reach))
        yield warning(
            "inference.family",
            f"'{run.inference.family.kind}' couples cells up to {cells} apart along z, y, x, "
            f"but the prior correlates cells beyond by up to {strongest:.2f}: where the data "
            "say little, draws lose the prior's long wavelengths, and intervals of means over "
            "many cells are far too narrow. Choose 'metric_gaussian' with 'start.hessian: "
            "{kind: noise, sweeps: 1, draws: 24}'.",
        )


def method_of(run: Run) -> "Method":
    """Return the method of a run, without the density that it would evaluate.

    Raises
    ------
    ConfigError
        If family or method are unknown, or their options wrong.
    """
    return _method(run, _family(run))


def _family(run: Run) -> "Family":
    from pvi_hpc.families.load import load_family

    return load_family(run.inference.family, run.cells.active)


def _method(run: Run, family: "Family") -> "Method":
    from pvi_hpc.inference.method import load_method
    from pvi_hpc.inference.target import NoTarget

    return load_method(family, NoTarget(), run.inference, run.start, run.seed)


def check_executor(run: Run) -> Iterator[Finding]:
    """Check that there is such an executor; it is not started."""
    try:
        executor_class(run.execution)
    except PviError as fault:
        yield error("execution.executor", str(fault))
