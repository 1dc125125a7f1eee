"""Small JSON files that a power failure or a full disk may have cut."""

import json
from pathlib import Path
from typing import Any

from pvi_hpc.errors import PviError

__all__ = ["read_record"]


def read_record(path: Path, error: type[PviError], remedy: str) -> dict[str, Any]:
    """Return what a JSON file holds by name; nothing where there is no file.

    Parameters
    ----------
    path
        The file.
    error, remedy
        Raised where the file is empty, cut or no JSON object, and what the user should do.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as cause:
        raise error(f"'{path}' cannot be read ({cause}): {remedy}.") from cause
    if not isinstance(found, dict):
        raise error(f"'{path}' must hold a JSON object, got {type(found).__name__}: {remedy}.")
    return found
