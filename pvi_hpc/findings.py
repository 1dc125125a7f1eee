"""What a check says about a setting: that it is fine, doubtful or impossible."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["Finding", "error", "ok", "warning"]


@dataclass(frozen=True)
class Finding:
    """A remark about a setting, of level "ok", "warning" or "error"."""

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
