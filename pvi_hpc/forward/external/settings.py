"""Settings that forward problems of users share, whether functions or programs."""

from typing import ClassVar, Literal, Self

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from pvi_hpc.forward.settings import ForwardSettings
from pvi_hpc.plugins import PathName

__all__ = ["ExternalSettings"]


class ExternalSettings(ForwardSettings):
    """Keys of forward problems that a user brings."""

    #: Keys that change no result: a begun run may go on with other values.
    operational: ClassVar[frozenset[str]] = frozenset({"max_error", "seconds", "memory_gb"})

    returns: Literal["data", "log_likelihood", "misfit"] = Field(
        "data",
        description="Result of a simulation: the simulated data, which are compared with "
        "`data`; or the log-likelihood, or the negative log-likelihood, up to a constant.",
    )
    data: PathName | None = Field(
        None,
        description="Observed data with `returns: data`: a `.npy` file of shape (n,), or "
        "(shots, n); NaN marks a missing datum.",
    )
    noise_sd: PositiveFloat | PathName | None = Field(
        None,
        description="Standard deviation of the noise, in units of the data: a number, or a "
        "`.npy` file of the shape of `data`.",
    )
    shots: PositiveInt = Field(
        1, description="Number of independent parts that can be simulated one by one."
    )
    difference: PositiveFloat = Field(
        1e-3, description="Half a central difference, as a share of the prior's range."
    )
    files: tuple[PathName, ...] = Field(
        (),
        description="Other files that the result depends on, such as modules or tables; a "
        "change of one is another problem.",
    )
    max_error: PositiveFloat | None = Field(
        0.05,
        description="Refuse a gradient whose derivative along a random direction differs by "
        "more from differences of misfits, relative; four simulations before the run. null: "
        "the gradient is not measured.",
    )
    seconds: PositiveFloat = Field(
        1.0, description="Duration of a simulation without a gradient [s], to tell the cost."
    )
    memory_gb: PositiveFloat = Field(
        1.0, description="Memory of a simulation [GB], to tell whether workers fit."
    )

    @model_validator(mode="after")
    def _data_have_noise(self) -> Self:
        given = self.data is not None, self.noise_sd is not None
        if self.returns == "data" and not all(given):
            raise ValueError("'returns: data' needs 'data' and 'noise_sd'; add them")
        if self.returns != "data" and any(given):
            raise ValueError(
                f"'returns: {self.returns}' must not have 'data' or 'noise_sd', which the "
                "simulation itself knows; remove them, or set 'returns: data'"
            )
        return self
