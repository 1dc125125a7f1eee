"""Account of a round, in figures and in words, and what is to be said against the last one."""

from dataclasses import asdict, dataclass
from math import inf
from typing import Any, Final

__all__ = ["Account", "warnings_of"]

#: Share of a network's draws outside its region, above which the region has cut too much.
LEAKS: Final = 0.2


@dataclass(frozen=True)
class Account:
    """Account of a round.

    Parameters
    ----------
    number
        First is 1.
    draws
        Draws of this round that have data.
    pairs
        Pairs that its network was trained with, those of earlier rounds inside the region too.
    prior_share
        Probability of the region under the prior.
    leak
        Share of the network's draws for the observed data that are outside the region.
    divergence
        From the posterior of the round before [nats an unknown]; infinite in the first.
    agreed
        True where that is small enough to end.
    """

    number: int
    draws: int
    pairs: int
    prior_share: float
    leak: float
    divergence: float
    agreed: bool

    @property
    def facts(self) -> dict[str, Any]:
        """All figures, for a file; the first round has no divergence."""
        first = self.divergence == inf
        return {**asdict(self), "divergence": None if first else self.divergence}

    @property
    def sentence(self) -> str:
        """The account in words."""
        told = (
            f"round {self.number}: {self.pairs} pairs in {self.prior_share:.3g} of the prior, "
            f"{100 * self.leak:.1f} % of the network's draws outside"
        )
        if self.divergence < inf:
            told += f", {self.divergence:.4f} nats an unknown from the round before"
        return told + (": agreed" if self.agreed else "")


def warnings_of(last: Account) -> list[str]:
    """Return sentences about what is wrong with rounds, of which this is the last."""
    found = []
    if not last.agreed:
        told = "there was one only"
        if last.number > 1:
            apart = f"{last.divergence:.2g} nats an unknown apart"
            told = f"the last two of {last.number} are {apart}"
        found.append(
            f"The rounds did not agree: {told}; raise 'amortised.rounds.at_most' or "
            "'amortised.rounds.draws'."
        )
    if last.leak > LEAKS:
        found.append(
            f"{100 * last.leak:.0f} % of the last network's draws lie outside its region of "
            "the prior, which may have cut the posterior: lower 'amortised.rounds.cut', or "
            "draw more in each round."
        )
    return found
