"""Share of the target's gradient that particles feel, from a little at first to all.

D'Angelo & Fortuin (2021), arXiv 2101.09815: while the repulsion is the stronger, particles
spread over modes that they would not leave afterwards.
"""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from pvi_hpc.plugins import Settings

__all__ = ["Annealing"]


class Annealing(Settings):
    """The weight of the gradient by iteration; 1 after `share` of them."""

    kind: Literal["none", "linear", "cyclic"] = Field(
        "none", description="Weight 1 from the start, one rise from 0 to 1, or several."
    )
    share: Annotated[float, Field(gt=0, le=1)] = Field(
        0.5,
        description="Share of the iterations (of sSVGD's burn-in) that are annealed.",
        json_schema_extra={"unit": "1"},
    )
    cycles: PositiveInt = Field(
        4,
        description="Rises from 0 to 1, with `kind: cyclic`.",
        json_schema_extra={"unit": "rises"},
    )

    def weight(self, i: int, n: int) -> float:
        """Return the weight of iteration `i` = 0, 1, ... of `n`, within 0 and 1."""
        annealed = int(self.share * n)
        if self.kind == "none" or i >= annealed:
            return 1.0
        length = annealed if self.kind == "linear" else max(1, -(-annealed // self.cycles))
        return (i % length + 1) / length
