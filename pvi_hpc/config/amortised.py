"""Section `amortised`: pairs from the prior, and the network that learns from them."""

from typing import Annotated, ClassVar, Self

from pydantic import Field, PositiveInt, model_validator

from pvi_hpc.inference.amortised.settings import (
    NetworkSettings,
    RoundSettings,
    TrainingSettings,
)
from pvi_hpc.plugins import Settings

__all__ = ["AmortisedSettings"]


class AmortisedSettings(Settings):
    """A posterior that is learnt from models of the prior and their simulated data."""

    later: ClassVar[frozenset[str]] = frozenset({"rounds"})

    draws: PositiveInt = Field(
        10_000, description="Number of models that are drawn from the prior and simulated."
    )
    draws_per_chunk: PositiveInt = Field(
        1000,
        description="Draws of one task and one file; fixed for a begun bank. A task should "
        "take seconds to minutes.",
    )
    held_out: Annotated[int, Field(ge=100)] = Field(
        1000, description="Draws that no network sees, from which its verdict comes."
    )
    posterior_draws: Annotated[int, Field(ge=50)] = Field(
        200, description="Draws of the posterior of each held-out pair, for the verdict."
    )
    components: PositiveInt | None = Field(
        None,
        description="Number of principal components of the data that a network sees; null: "
        "all data as they are.",
    )
    network: NetworkSettings = NetworkSettings()
    training: TrainingSettings = TrainingSettings()
    rounds: RoundSettings | None = Field(
        None,
        description="Rounds that narrow the prior to where the observed data leave it, each "
        "with new draws: the posterior of these data alone; null: one network for any data.",
    )

    @model_validator(mode="after")
    def _some_are_left(self) -> Self:
        if self.draws < 2 * self.held_out:
            raise ValueError(
                f"'draws' must be at least twice 'held_out' ({self.held_out}), got "
                f"{self.draws}; draw more, or hold fewer out"
            )
        later = None if self.rounds is None else self.rounds.draws
        if later is not None and later < 2 * self.held_out:
            raise ValueError(
                f"'rounds.draws' must be at least twice 'held_out' ({self.held_out}), got "
                f"{later}; draw more in each round, or hold fewer out"
            )
        return self
