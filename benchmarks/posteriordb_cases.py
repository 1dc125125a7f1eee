"""Seventeen small posteriors and what is known of them: moments, exact or of other draws."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
import posteriordb_densities as densities
import torch
from numpy.typing import NDArray
from posteriordb_data import Source
from torch import Tensor

from pvi_hpc.diagnostics.samplers import sample_chains

__all__ = ["Case", "cases", "moments"]

Array = NDArray[np.float64]
Kind = Literal["regression", "mixture", "other"]


@dataclass(frozen=True)
class Case:
    """A posterior.

    Parameters
    ----------
    name, kind, n
        Name and kind; number of unbounded unknowns.
    log_prob
        `(S, n) -> (S,)`.
    mean, sd
        What is right, of the quantities compared; None: to be sampled.
    quantities
        From unknowns `(S, n)` to what is compared `(S, k)`; None: the unknowns.
    """

    name: str
    kind: Kind
    n: int
    log_prob: densities.LogProb
    mean: Array | None
    sd: Array | None
    quantities: Callable[[Tensor], Tensor] | None = None

    @property
    def tolerance(self) -> float:
        """Error of a mean that counts as wrong [posterior sds]."""
        return 1.0 if self.kind == "other" else 0.1


def cases(source: Source) -> list[Case]:
    """Return all of them."""
    return [*_schools(source), *_of_database(source), *_others()]


def _schools(source: Source) -> list[Case]:
    name = "eight_schools-eight_schools_noncentered"
    data, draws = source.data(name), source.draws(name)
    white = effects = None
    if draws is not None:
        effect = np.stack([draws[f"theta[{j + 1}]"] for j in range(8)], axis=1)
        mu, tau = draws["mu"], draws["tau"]
        rest = np.stack([mu, np.log(tau)], axis=1)
        white = np.hstack([(effect - mu[:, None]) / tau[:, None], rest])
        effects = np.hstack([effect, rest])
    return [
        _case("eight_schools_noncentered", "other", densities.non_centred_schools(data), white),
        _case("eight_schools_centered", "other", densities.centred_schools(data), effects),
    ]


def _of_database(source: Source) -> list[Case]:
    read, log_last = source.data, partial(_columns, logs=["sigma"])
    kid, earn, nes = (read(k) for k in ("kidiq-", "earnings-", "nes1980-"))
    hs, iq = _array(kid, "mom_hs"), _array(kid, "mom_iq")
    height, male = _array(earn, "height"), _array(earn, "male")
    ages = [_array(nes, "age_discrete") == k for k in (2, 3, 4)]
    voters = (
        [_array(nes, k) for k in ("real_ideo", "race_adj")],
        [_array(nes, k) for k in ("educ1", "gender", "income")],
    )
    weights = [f"beta[{k + 1}]" for k in range(9)]
    gp = read("gp_pois_regr-gp_pois_regr")

    def regression(name: str, log_prob: densities.LogProb, names: Sequence[str]) -> Case:
        draws = source.draws(name)
        known = None if draws is None else log_last(draws, [*names, "sigma"])
        return _case(name.split("-")[1], "regression", log_prob, known, n=len(names) + 1)

    gp_draws = source.draws("gp_pois_regr-gp_pois_regr")
    functions = densities.gp_functions(gp)
    names = ["rho", "alpha", *(f"f[{k + 1}]" for k in range(11))]
    gp_known = None if gp_draws is None else _columns(gp_draws, names, logs=["rho", "alpha"])
    garch_draws, mix_draws = (
        source.draws(k) for k in ("garch-garch11", "low_dim_gauss_mix-low_dim_gauss_mix")
    )
    kid_design, log_earn = _design(hs, iq, hs * iq), np.log(_array(earn, "earn"))
    return [
        _case(
            "garch11", "other", densities.garch(read("garch-garch11")), _garch(garch_draws), 4
        ),
        regression(
            "kidiq-kidscore_interaction",
            densities.linear(kid_design, kid["kid_score"], scale=2.5),
            weights[:4],
        ),
        regression(
            "earnings-logearn_interaction",
            densities.linear(_design(height, male, height * male), log_earn),
            weights[:4],
        ),
        regression(
            "earnings-earn_height",
            densities.linear(_design(height), earn["earn"]),
            weights[:2],
        ),
        regression(
            "nes1980-nes",
            densities.linear(_design(*voters[0], *ages, *voters[1]), nes["partyid7"]),
            weights,
        ),
        regression("sblrc-blr", densities.blr(read("sblrc-blr")), weights[:5]),
        _case(
            "low_dim_gauss_mix",
            "mixture",
            densities.mixture(read("low_dim_gauss_mix-low_dim_gauss_mix")),
            _mixture(mix_draws),
            n=5,
        ),
        regression("arK-arK", densities.ar(read("arK-arK")), ["alpha", *weights[:5]]),
        _case(
            "gp_pois_regr",
            "other",
            densities.gp_poisson(gp),
            gp_known,
            n=13,
            quantities=lambda x: torch.hstack([x[:, :2], functions(x)]),
        ),
        regression(
            "diamonds-diamonds",
            densities.diamonds(read("diamonds-diamonds")),
            [*(f"b[{k + 1}]" for k in range(24)), "Intercept"],
        ),
    ]


def _others() -> list[Case]:
    sds = np.geomspace(0.05, 20, 100)
    log_prob, mean = densities.correlated(sds, seed=5)
    small = np.zeros(10)
    return [
        Case("funnel", "other", 10, densities.funnel, small, np.r_[3.0, [np.exp(2.25)] * 9]),
        Case("banana", "other", 2, densities.banana, np.zeros(2), np.r_[10, 19**0.5]),
        Case(
            "rosenbrock",
            "other",
            2,
            densities.rosenbrock,
            np.array([1.0, 11.0]),
            np.sqrt([10.0, 240.1]),
        ),
        Case("student_t", "other", 10, densities.student, small, np.full(10, 2**0.5)),
        Case("gaussian_100", "regression", 100, log_prob, mean, sds),
    ]


def moments(case: Case) -> tuple[Array, Array]:
    """Return mean and sd of the quantities, by chains of HMC where nothing is known."""
    if case.mean is not None and case.sd is not None:
        return case.mean, case.sd
    import pvi_hpc

    near = pvi_hpc.fit(case.log_prob, case.n, seed=9)
    centre, scale = torch.from_numpy(near.mean), torch.from_numpy(near.sd)
    start = np.random.default_rng(1).standard_normal((8, case.n))
    chains = sample_chains(
        lambda z: case.log_prob(centre + scale * z), start, warmup=2000, draws=2000
    )
    found = centre + scale * torch.from_numpy(chains.flat)
    compared = (found if case.quantities is None else case.quantities(found)).numpy()
    return compared.mean(axis=0), compared.std(axis=0)


def _case(
    name: str,
    kind: Kind,
    log_prob: densities.LogProb,
    known: Array | None,
    n: int = 10,
    quantities: Callable[[Tensor], Tensor] | None = None,
) -> Case:
    mean = None if known is None else known.mean(axis=0)
    sd = None if known is None else known.std(axis=0)
    return Case(name, kind, n, log_prob, mean, sd, quantities)


def _array(data: densities.Data, name: str) -> Array:
    return np.asarray(data[name], dtype=np.float64)


def _design(*columns: Any) -> Array:
    return np.stack([np.ones(len(columns[0])), *columns], axis=1)


def _columns(draws: dict[str, Array], names: Sequence[str], logs: Sequence[str]) -> Array:
    return np.stack([np.log(draws[k]) if k in logs else draws[k] for k in names], axis=1)


def _garch(draws: dict[str, Array] | None) -> Array | None:
    if draws is None:
        return None
    share = draws["beta1"] / (1 - draws["alpha1"])
    logits = [_logit(draws["alpha1"]), _logit(share)]
    return np.stack([draws["mu"], np.log(draws["alpha0"]), *logits], axis=1)


def _mixture(draws: dict[str, Array] | None) -> Array | None:
    if draws is None:
        return None
    first, second = draws["mu[1]"], draws["mu[2]"]
    sds = [np.log(draws["sigma[1]"]), np.log(draws["sigma[2]"])]
    return np.stack([first, np.log(second - first), *sds, _logit(draws["theta"])], axis=1)


def _logit(x: Array) -> Array:
    return np.asarray(np.log(x) - np.log1p(-x))
