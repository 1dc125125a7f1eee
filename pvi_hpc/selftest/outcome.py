"""Outcome of one test of the solver or of a site: a row of `pvi solver test`, `pvi doctor`."""

from dataclasses import dataclass

__all__ = ["Outcome", "failed", "passed"]


@dataclass(frozen=True)
class Outcome:
    """One test: the attempt, the observation, and the remedy where the test failed.

    Parameters
    ----------
    name
        Name of the test.
    passed
        True if the result is as it must be.
    seen
        The measured value, as a person reads it.
    demanded
        The limit of a measured number.
    remedy
        The next step for the user if the test failed.
    """

    name: str
    passed: bool
    seen: str
    demanded: str = ""
    remedy: str = ""

    @classmethod
    def below(cls, name: str, value: float, limit: float, remedy: str = "") -> "Outcome":
        """Return the outcome of an error that must not exceed `limit`."""
        return cls(name, value < limit, f"{value:.2e}", f"< {limit:.0e}", remedy)

    @classmethod
    def between(
        cls, name: str, value: float, least: float, most: float, remedy: str = ""
    ) -> "Outcome":
        """Return the outcome of a number that must lie in a range."""
        demanded = f"{least:g} to {most:g}"
        return cls(name, least <= value <= most, f"{value:.3f}", demanded, remedy)


def passed(name: str, seen: str) -> Outcome:
    """Return the outcome of something that works."""
    return Outcome(name, True, seen)


def failed(name: str, seen: str, remedy: str) -> Outcome:
    """Return the outcome of something that does not work."""
    return Outcome(name, False, seen, remedy=remedy)
