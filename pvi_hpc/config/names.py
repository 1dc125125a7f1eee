"""Names in lists of settings."""

from collections.abc import Sequence
from typing import Protocol, TypeVar

__all__ = ["refuse_equal_names"]


class Named(Protocol):
    """Settings with a name."""

    name: str


Listed = TypeVar("Listed", bound=Sequence[Named])


def refuse_equal_names(listed: Listed) -> Listed:
    """Return a list of settings; ValueError if two have the same name."""
    names = [each.name for each in listed]
    if len(set(names)) != len(names):
        raise ValueError(f"must have different names, got {', '.join(names)}")
    return listed
