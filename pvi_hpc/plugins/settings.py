"""Base of all settings, and the types of values that many of them have."""

import os
import re
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt

__all__ = ["Axes", "Counts", "Depths", "Name", "PathName", "Seed", "Settings", "Values"]


class Settings(BaseModel):
    """Reject unknown keys, NaN and infinity; forbid mutation."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    #: Keys that came after runs of this section had been begun. At its default such a key says
    #: what those runs did, so that it is no part of the identity of a run.
    later: ClassVar[frozenset[str]] = frozenset()

    def lasting(self) -> dict[str, Any]:
        """Return the settings as JSON values, without the keys of `later` at their default."""
        tree = self.model_dump(mode="json")
        for name, field in type(self).model_fields.items():
            value = getattr(self, name)
            if name in self.later and value == field.get_default(call_default_factory=True):
                del tree[name]
            elif isinstance(value, Settings):
                tree[name] = value.lasting()
        return tree


def _expand(path: str) -> str:
    expanded = str(Path(os.path.expandvars(path)).expanduser())
    missing = re.search(r"\$\{?(\w+)", expanded)
    if missing:
        raise ValueError(f"uses ${missing[1]}, which is not set; export {missing[1]}=...")
    return expanded


#: Path relative to the directory the run is launched in; `$NAME` and `~` are expanded.
PathName = Annotated[str, AfterValidator(_expand)]

#: Part of file names and Snakemake wildcards.
Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$")]

#: Seed of random numbers.
Seed = Annotated[int, Field(ge=0)]

#: Positive values, such as velocities [m/s].
Values = tuple[PositiveFloat, ...]

#: Depths of the nodes of a table [m].
Depths = Annotated[tuple[float, ...], Field(min_length=1)]

#: One value for each axis `(z, y, x)`.
Axes = tuple[float, float, float]

#: Number of cells for each axis `(z, y, x)`.
Counts = tuple[PositiveInt, PositiveInt, PositiveInt]
