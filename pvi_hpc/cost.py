"""Counts of simulations and of the time they took."""

from dataclasses import dataclass

__all__ = ["SimulationCount"]


@dataclass(frozen=True)
class SimulationCount:
    """Cost of a batch: simulations of one shot by their ending, and samples dropped."""

    done: int = 0
    failed: int = 0
    retried: int = 0
    seconds: float = 0.0
    dropped: int = 0

    def __add__(self, other: "SimulationCount") -> "SimulationCount":
        """Add up two counts."""
        return SimulationCount(
            self.done + other.done,
            self.failed + other.failed,
            self.retried + other.retried,
            self.seconds + other.seconds,
            self.dropped + other.dropped,
        )
