"""Options of families and methods: what a plug-in reads from its `options`."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from pvi_hpc.config.base import Frozen
from pvi_hpc.errors import ConfigError

__all__ = ["read_options"]

Options = TypeVar("Options", bound=Frozen)


def read_options(
    model: type[Options], setting: str, kind: str, options: Mapping[str, Any]
) -> Options:
    """Return `options` as `model`.

    Parameters
    ----------
    model
        What the plug-in accepts.
    setting, kind
        Where the user wrote the options, and the plug-in's name, for the message.
    options
        What the user wrote.

    Raises
    ------
    ConfigError
        If one is unknown or impossible, naming those that exist.
    """
    try:
        return model.model_validate(dict(options))
    except ValidationError as error:
        faults = "; ".join(
            f"'{'.'.join(map(str, fault['loc']))}' {fault['msg'].lower()}, "
            f"got {fault['input']!r}"
            for fault in error.errors()
        )
        raise ConfigError(
            f"'{setting}' of '{kind}' may be {sorted(model.model_fields)}: {faults}; correct "
            "or remove them."
        ) from error
