"""Errors a user can act on. Everything else is a bug and stays a bare exception."""

__all__ = [
    "CheckpointError",
    "ConfigError",
    "LeaseError",
    "LedgerError",
    "NonFiniteError",
    "PviError",
    "SimulationError",
    "SolverError",
    "StopRequestedError",
    "SurveyError",
]


class PviError(Exception):
    """Base class: ``except PviError`` catches all of ours and nothing else."""


class ConfigError(PviError, ValueError):
    """A setting is missing, unknown, or physically impossible."""


class SurveyError(PviError, ValueError):
    """A data file is damaged, or does not fit the grid, the wavelet or the settings."""


class SolverError(PviError, RuntimeError):
    """A native solver returned a non-zero status."""


class NonFiniteError(SolverError):
    """A simulation gave NaN or infinite values."""


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
