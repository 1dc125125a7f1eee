"""Settings of networks that learn a posterior, and of their training."""

from typing import Annotated, ClassVar

from pydantic import Field, PositiveFloat, PositiveInt

from pvi_hpc.plugins import PluginSettings, Seed, Settings

__all__ = ["NetworkSettings", "TrainingSettings"]


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
