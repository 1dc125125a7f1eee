"""What the options of the families must be."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from pvi_hpc.errors import ConfigError

__all__ = ["PLACE", "choice_option", "rank_option", "refuse_unknown", "stencil_option"]

PLACE: Final = "inference.family.options"
#: Cells of the default stencil along each axis, where the grid has as many.
DEFAULT_SIZE: Final = 5


def refuse_unknown(kind: str, options: Mapping[str, Any], known: Collection[str]) -> None:
    """Raise ConfigError if `options` of a family `kind` holds a name that is not `known`."""
    unknown = sorted(set(options) - set(known))
    if unknown:
        allowed = ", ".join(f"'{name}'" for name in known) or "empty"
        raise ConfigError(
            f"'{PLACE}' of '{kind}' must be {allowed}, got {unknown}; correct the spelling or "
            "remove them."
        )


def stencil_option(
    options: Mapping[str, Any], shape: Sequence[int], place: str = f"{PLACE}.stencil"
) -> tuple[int, int, int]:
    """Return `stencil: [kz, ky, kx]`, odd and within the grid's `shape`.

    Without it 5 along each axis, or the largest odd number of cells that the axis has.
    `place` names the setting in errors.
    """
    default = [min(DEFAULT_SIZE, n - 1 + n % 2) for n in shape]
    size = options.get("stencil", default)
    right = isinstance(size, Sequence) and len(size) == 3
    if not right or not all(type(k) is int and k > 0 and k % 2 for k in size):
        raise ConfigError(
            f"'{place}' must be three odd numbers of cells [kz, ky, kx], got {size!r}."
        )
    if any(k > n for k, n in zip(size, shape, strict=True)):
        raise ConfigError(
            f"'{place}' must not be larger than the grid {tuple(shape)}, got "
            f"{list(size)}; choose a smaller one."
        )
    return size[0], size[1], size[2]


def rank_option(options: Mapping[str, Any], n: int) -> int:
    """Return `rank`, a number of directions from 1 to the number of unknowns `n`."""
    rank = options.get("rank")
    if type(rank) is not int or not 1 <= rank <= n:
        raise ConfigError(
            f"'{PLACE}.rank' must be a whole number from 1 to the number of unknown cells "
            f"{n}, got {rank!r}; give about as many as the data inform directions."
        )
    return rank


def choice_option(options: Mapping[str, Any], name: str, choices: Sequence[str]) -> str:
    """Return option `name`, one of `choices`; the first where it is not given."""
    value = options.get(name, choices[0])
    if value not in choices:
        raise ConfigError(f"'{PLACE}.{name}' must be one of {list(choices)}, got {value!r}.")
    return str(value)
