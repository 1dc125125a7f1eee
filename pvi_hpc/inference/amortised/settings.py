"""Settings of networks that learn a posterior, and of their training."""

from typing import Annotated, ClassVar

from pydantic import Field, PositiveFloat, PositiveInt

from pvi_hpc.plugins import PluginSettings, Seed, Settings

__all__ = ["NetworkSettings", "RoundSettings", "TrainingSettings"]


class NetworkSettings(PluginSettings):
    """The network that gives a posterior for data."""

    group: ClassVar = "pvi_hpc.networks"

    kind: str = Field(
        "spline_flow", description="Name of a network; `pvi list networks` shows all of them."
    )


class TrainingSettings(Settings):
    """Training of the networks by the log density of simulated pairs."""

    members: PositiveInt = Field(
        1,
        description="Number of networks with different starts, whose posteriors are averaged.",
    )
    seed: Seed = Field(1, description="Seed of starting weights, batches and noise.")
    batch: PositiveInt = Field(256, description="Number of pairs in a step.")
    learning_rate: PositiveFloat = Field(1e-3, description="First learning rate of Adam.")
    validation: Annotated[float, Field(gt=0, lt=0.9)] = Field(
        0.1, description="Share of the pairs that training only stops by."
    )
    patience: PositiveInt = Field(
        10, description="Epochs without a better validation after which the rate falls."
    )
    drops: Annotated[int, Field(ge=0)] = Field(
        2, description="Number of times that the rate falls to a quarter before training ends."
    )
    max_epochs: PositiveInt = Field(300, description="Most epochs of a network.")
    checkpoint_s: PositiveFloat = Field(
        30.0, description="Longest time of training that a kill can cost [s], to an epoch."
    )


class RoundSettings(Settings):
    """Rounds that narrow the prior to where the observed data leave it: INFM."""

    at_most: PositiveInt = Field(5, description="Most rounds; they end before where two agree.")
    draws: PositiveInt | None = Field(
        None, description="Draws of each round after the first; null: as many as the first."
    )
    cut: Annotated[float, Field(gt=0, le=0.05)] = Field(
        1e-4,
        description="Share of the learnt posterior, that of the lowest density, which a round "
        "may cut off.",
    )
    agreement: PositiveFloat = Field(
        0.01,
        description="Divergence of a round's posterior from that of the round before, below "
        "which the rounds end [nats an unknown]; 0.005 is a mean that moves by 0.1 sd.",
    )
