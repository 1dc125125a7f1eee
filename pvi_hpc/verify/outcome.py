"""What one test found, and the table of all."""

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Outcome", "table"]


@dataclass(frozen=True)
class Outcome:
    """One property: what was measured and what is demanded.

    Parameters
    ----------
    name
        The property.
    measured, demanded
        As a person reads them.
    passed
        Whether the one meets the other.
    remedy
        What to do if it does not.
    """

    name: str
    measured: str
    demanded: str
    passed: bool
    remedy: str = ""

    @classmethod
    def below(cls, name: str, value: float, limit: float, remedy: str = "") -> "Outcome":
        """Return the outcome of an error that must not exceed `limit`."""
        return cls(name, f"{value:.2e}", f"< {limit:.0e}", value < limit, remedy)

    @classmethod
    def between(
        cls, name: str, value: float, least: float, most: float, remedy: str = ""
    ) -> "Outcome":
        """Return the outcome of a number that must lie in a range."""
        demanded = f"{least:g} to {most:g}"
        return cls(name, f"{value:.3f}", demanded, least <= value <= most, remedy)


def table(outcomes: Sequence[Outcome]) -> list[str]:
    """Return the lines of a table; a remedy follows what failed."""
    width = max(len(o.name) for o in outcomes)
    lines = []
    for o in outcomes:
        verdict = "ok" if o.passed else "FAILED"
        lines.append(f"{o.name:<{width}}  {o.measured:>12}  {o.demanded:>12}  {verdict}")
        if not o.passed and o.remedy:
            lines.append(f"{'':<{width}}  {o.remedy}")
    return lines
