"""Errors a user can act on, and findings before anything runs; the rest are bugs."""

from dataclasses import dataclass
from typing import ClassVar, Literal

__all__ = [
    "CheckpointError",
    "ConfigError",
    "Finding",
    "LeaseError",
    "LedgerError",
    "NonFiniteError",
    "PviError",
    "SimulationError",
    "SolverError",
    "StopRequestedError",
    "SurveyError",
    "error",
    "ok",
    "warning",
]


class PviError(Exception):
    """Base class: ``except PviError`` catches all of ours and nothing else."""


class ConfigError(PviError, ValueError):
    """A setting is missing, unknown, or physically impossible."""


class SurveyError(PviError, ValueError):
    """A data file is damaged, or does not fit the grid, the wavelet or the settings."""


class SolverError(PviError, RuntimeError):
    """A simulation failed; `failure` names the class that the ledger counts it in."""

    failure: ClassVar[str] = "solver_error"


class NonFiniteError(SolverError):
    """A simulation gave NaN or infinite values."""

    failure = "non_finite"


class SimulationError(PviError, RuntimeError):
    """Simulations of a batch failed more often than the run allows."""


class LedgerError(SimulationError):
    """The ledger, the record of the simulations of a run, cannot be written."""


class StopRequestedError(PviError, RuntimeError):
    """Somebody asked a controller to stop while it waited for workers."""


class CheckpointError(PviError, RuntimeError):
    """No checkpoint can be used, or it belongs to another configuration."""


class LeaseError(PviError, RuntimeError):
    """Another controller is working on this run."""


@dataclass(frozen=True)
class Finding:
    """Result of checking a setting: it is fine, doubtful or impossible."""

    level: Literal["ok", "warning", "error"]
    setting: str
    message: str


def ok(setting: str, message: str) -> Finding:
    """Return a finding that only informs."""
    return Finding("ok", setting, message)


def warning(setting: str, message: str) -> Finding:
    """Return a finding that does not stop a run."""
    return Finding("warning", setting, message)


def error(setting: str, message: str) -> Finding:
    """Return a finding that stops a run."""
    return Finding("error", setting, message)
