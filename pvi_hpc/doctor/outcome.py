"""One row of the doctor's table."""

from dataclasses import dataclass

__all__ = ["Outcome", "failed", "passed"]


@dataclass(frozen=True)
class Outcome:
    """What was tried, whether it works, what was seen, and what to do where it does not."""

    what: str
    works: bool
    seen: str
    remedy: str = ""


def passed(what: str, seen: str) -> Outcome:
    """Return the row of something that works."""
    return Outcome(what, True, seen)


def failed(what: str, seen: str, remedy: str) -> Outcome:
    """Return the row of something that does not."""
    return Outcome(what, False, seen, remedy)
