"""Batch and match: a full covariance that matches the scores of a batch of draws.

Cai, Modi, Pillaud-Vivien, Margossian, Gower, Blei & Saul (2024), arXiv 2402.14758, algorithm 1.
The next Gaussian minimises the difference of its score from that of the target at the batch,
weighted by its own covariance, plus its divergence from the last Gaussian: both are in closed
form. All of it is done in standardised unknowns, where the last Gaussian is N(0, I); the
update is the same in any.
"""

from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

import torch
from pydantic import Field, PositiveFloat
from torch import Tensor

from pvi_hpc.errors import ConfigError
from pvi_hpc.families.family import LOCATION, Parameters
from pvi_hpc.families.gaussian.full_rank import FullRank
from pvi_hpc.inference.finite import check_values, norm
from pvi_hpc.inference.history import Info
from pvi_hpc.inference.methods.vi import VariationalInference
from pvi_hpc.inference.settings import OptimiserSettings
from pvi_hpc.inference.state import State
from pvi_hpc.inference.target import surviving
from pvi_hpc.numerics.reproducible import inner_products, log, one_thread, sqrt, sum_samples
from pvi_hpc.plugins import Settings

__all__ = ["BatchAndMatch", "BatchAndMatchOptions", "matched"]


class BatchAndMatchOptions(Settings):
    """Options of `batch_and_match`."""

    rate: PositiveFloat = Field(
        1.0,
        description="Weight of the batch against the last Gaussian, in units of samples times "
        "unknowns.",
        json_schema_extra={"unit": "1"},
    )
    schedule: Literal["falling", "constant"] = Field(
        "falling",
        description="Weight in iteration i: rate / (i + 1), or rate, for posteriors that are "
        "nearly Gaussian.",
    )


@dataclass(frozen=True)
class BatchAndMatch(VariationalInference):
    """Batch and match of a Gaussian with every correlation."""

    Options: ClassVar[type[Settings]] = BatchAndMatchOptions

    options: BatchAndMatchOptions = field(default_factory=BatchAndMatchOptions)

    def check(self) -> None:
        """Raise ConfigError where settings do not suit the method or the family."""
        super().check()
        if not isinstance(self.family, FullRank):
            raise ConfigError(
                "'inference.family.kind' must be 'full_rank' with 'batch_and_match', got "
                f"'{self.settings.family.kind}'."
            )
        if self.settings.optimiser != OptimiserSettings():
            raise ConfigError(
                "'inference.optimiser' must be left out with 'batch_and_match', whose updates "
                "have a closed form; remove it."
            )
        if self.settings.precision != "double":
            raise ConfigError(
                "'inference.precision' must be 'double' with 'batch_and_match', got "
                f"'{self.settings.precision}'."
            )
        self.refuse("inference.stop", self.settings.stop, "its updates shrink by themselves")
        shots = self.settings.shots_per_sample
        self.refuse(
            "inference.shots_per_sample", shots, "scores of few shots match no posterior"
        )

    def init(self, mean: Tensor, sd: float) -> State:
        """Return the first state: independent cells with `mean` `(n,)` and one sd."""
        state = super().init(mean, sd)
        if self.start.map_iterations and self.start.map_optimiser == "adam":
            return state
        memory = {k: v for k, v in state.memory.items() if k not in ("first", "second")}
        return replace(state, memory=memory)

    def step(self, state: State) -> tuple[State, Info]:
        """Do one iteration, changing the tensors of `state` in place; use what is returned.

        Raises
        ------
        NonFiniteError
            If a log density or gradient is not finite; `state` is then unchanged.
        """
        if state.iteration < self.start.iterations:
            return super().step(state)
        parameters, iteration = state.parameters, state.iteration
        eps = self.draws.epsilon(iteration)
        value = self.target.value(self.family.sample(parameters, eps))
        if value.count.dropped:
            kept = surviving(value, paired=self.settings.estimator.draws == "pairs")
            eps, value = eps[kept], value.only(kept)
        check_values(value, iteration)
        assert isinstance(self.family, FullRank)  # `check` asks for it
        scores = self.family.apply_transposed(parameters, value.gradient.double())
        weight = self._weight(iteration - self.start.iterations, len(eps))
        log_q = self.family.log_q(parameters, eps)
        shift, factor = matched(eps, scores, weight)
        self._place(parameters, shift, factor)
        terms = value.log_likelihood + value.log_prior
        info = Info(
            iteration=iteration,
            phase="match",
            terms=(terms - log_q).numpy(),
            log_likelihood=value.log_likelihood.numpy(),
            log_prior=value.log_prior.numpy(),
            log_q=log_q.numpy(),
            chi_squared=float(value.chi_squared.numpy().mean()),
            gradient_norm=norm({"": scores + eps}) / len(eps) ** 0.5,
            score_weight=1.0,
            step=weight,
            count=value.count,
        )
        return replace(state, iteration=iteration + 1), info

    def phase(self, iteration: int) -> str:
        """Return "map", "hessian" or "match"."""
        return super().phase(iteration) if iteration < self.start.iterations else "match"

    def _weight(self, i: int, batch: int) -> float:
        whole = self.options.rate * batch * self.family.n
        return whole / (i + 1) if self.options.schedule == "falling" else whole

    def _place(self, parameters: Parameters, shift: Tensor, factor: Tensor) -> None:
        """Move by `L shift`, and turn the factor `L` into `L factor`."""
        assert isinstance(self.family, FullRank)
        parameters[LOCATION].add_(self.family.apply(parameters, shift[None])[0])
        columns = self.family.apply(parameters, factor.T.contiguous())
        with one_thread():
            triangle = torch.linalg.qr(columns)[1].T
        whole = (triangle * triangle.diagonal().sign()).contiguous()
        parameters["log_sd"].copy_(log(whole.diagonal()))
        parameters["lower"].copy_(whole.tril(-1))


def matched(eps: Tensor, scores: Tensor, weight: float) -> tuple[Tensor, Tensor]:
    """Return mean `(n,)` and a factor `(n, n)` of the next Gaussian's covariance.

    In unknowns where the last one is N(0, I): `eps` `(B, n)` are its draws, `scores` `(B, n)`
    the target's there. With their means and covariances the next covariance solves
    `S U S + S = V`, where `U = weight cov(scores) + a mean(scores) mean(scores)^T`,
    `V = I + weight cov(eps) + a mean(eps) mean(eps)^T` and `a = weight / (1 + weight)`.
    """
    n, share = eps.shape[1], weight / (1 + weight)
    mean, score = sum_samples(eps) / len(eps), sum_samples(scores) / len(eps)
    u = weight * _covariance(scores, score) + share * score[:, None] * score
    v = weight * _covariance(eps, mean) + share * mean[:, None] * mean
    v += torch.eye(n, dtype=torch.float64)
    with one_thread():
        root = torch.linalg.cholesky(v)
        inner = root.T @ u @ root
        values, vectors = torch.linalg.eigh((inner + inner.T) / 2)
        sizes = 2 / (1 + sqrt(1 + 4 * values.clamp(min=0)))
        factor = root @ vectors * sqrt(sizes)
        back = factor @ (factor.T @ score)
    return share * (back + mean), factor


def _covariance(rows: Tensor, mean: Tensor) -> Tensor:
    centred = (rows - mean).T.contiguous()
    return inner_products(centred, centred) / len(rows)
