"""Settings of a linear forward problem."""

from typing import ClassVar, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from pvi_hpc.forward.settings import ForwardSettings
from pvi_hpc.plugins import PathName
from pvi_hpc.priors.correlations.cell_files import ArrayFile

__all__ = ["LinearSettings"]


class LinearSettings(ForwardSettings):
    """Data that are a sparse matrix times the model, such as times along fixed rays."""

    # What other problems of users set, and what is always so here.
    returns: ClassVar[Literal["data"]] = "data"
    gradient: ClassVar[Literal["returned"]] = "returned"
    files: ClassVar[tuple[str, ...]] = ()
    max_error: ClassVar[None] = None
    difference: ClassVar[float] = 1e-3
    seconds: ClassVar[float] = 1e-3

    kind: Literal["linear"] = "linear"
    jacobian: ArrayFile = Field(
        description="The matrix (data, cells), cells flattened with x fastest: `.npz` as "
        "`scipy.sparse.save_npz` writes it, `.npy`, or HDF5: a dataset, or a group with "
        "`data`, `indices`, `indptr` and `shape` of its rows."
    )
    data: PathName = Field(
        description="Observed data: a `.npy` file of shape (n,), in the order of the rows; NaN "
        "marks a missing datum."
    )
    noise_sd: PositiveFloat | PathName = Field(
        description="Standard deviation of the noise, in units of the data: a number, or a "
        "`.npy` file of the shape of `data`."
    )
    shots: PositiveInt = Field(
        1,
        description="Number of parts that tasks and minibatches are made of; the rows are "
        "dealt out to them in turn.",
    )
