"""What all parts of the configuration have in common."""

import os
import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

__all__ = ["Axes", "Counts", "Frozen", "Name", "PathName", "Seed"]


class Frozen(BaseModel):
    """Reject unknown keys, NaN and infinity; forbid mutation."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


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

#: One value for each axis `(z, y, x)`.
Axes = tuple[float, float, float]

#: Number of cells for each axis `(z, y, x)`.
Counts = tuple[
    Annotated[int, Field(ge=8)], Annotated[int, Field(ge=8)], Annotated[int, Field(ge=8)]
]
