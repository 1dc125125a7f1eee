"""Failures of a task, as values that travel and as exceptions inside a worker."""

from dataclasses import dataclass
from typing import Final, Literal

__all__ = ["Failure", "FailureKind", "GangError"]

FailureKind = Literal[
    "crash", "hang", "bad_model", "non_finite", "solver_error", "wrong_result", "start"
]

#: Failures that another try cannot change.
FINAL: Final = frozenset({"bad_model"})


class GangError(Exception):
    """A gang did not do what it was asked to."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(f"{kind}: {message}")
        self.kind, self.message = kind, message


@dataclass(frozen=True)
class Failure:
    """Why a task has no result: a value, because exceptions make Dask forget where it ran."""

    kind: str
    message: str
    worker: str
    seconds: float
    chunk: int
    starts: int = 1

    @property
    def final(self) -> bool:
        """True if another try would fail as well."""
        return self.kind in FINAL
