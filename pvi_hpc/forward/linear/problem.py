"""A sparse matrix as forward problem: `forward: {kind: linear, jacobian: {file: ...}}`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from pvi_hpc.data.survey import Survey
from pvi_hpc.data.survey_file import read_survey
from pvi_hpc.errors import ConfigError, Finding, PviError, SurveyError, error, ok, warning
from pvi_hpc.forward.external.observed import observed_data, survey_of
from pvi_hpc.forward.external.problem import ExternalProblem
from pvi_hpc.forward.external.solver import Result, Simulation
from pvi_hpc.forward.linear.settings import LinearSettings
from pvi_hpc.forward.problem import SimulationCost
from pvi_hpc.forward.setup import SimulationSetup
from pvi_hpc.grid import Grid
from pvi_hpc.priors.correlations.cell_files import read_rectangle

__all__ = ["LinearProblem", "read_jacobian"]

Array = NDArray[np.float64]

#: Room of one element, of its column's index, and of both once more in a part [bytes].
ELEMENT: Final = 24
#: Duration of a product with one element, there and back [s].
PRODUCT_S: Final = 4e-9
#: Room of a process without a matrix [bytes].
ROOM: Final = 200e6


class LinearProblem(ExternalProblem):
    """Data `J m + noise`; the gradient is the product with the transpose of the same matrix."""

    kind = "linear"
    Options: ClassVar[type[LinearSettings]] = LinearSettings

    @classmethod
    def simulation(cls, options: Any, setup: SimulationSetup, folder: Path) -> Simulation:
        """Return the products with the rows of each part.

        Raises
        ------
        ConfigError
            If the file cannot be read, or does not fit the grid.
        """
        jacobian = read_jacobian(options, setup.grid)
        return _Products([jacobian[i :: options.shots] for i in range(options.shots)])

    @classmethod
    def observed(cls, path: Path) -> Survey:
        """Return all data in memory: a product takes less time than to open their file."""
        return read_survey(path)

    def sources(self) -> list[Path]:
        """Return the file of the matrix."""
        return [Path(self.options.jacobian.file)]

    def geometry(self) -> Survey:
        """Return the observed data, dealt out to the parts in turn."""
        data, noise = (values[0] for values in observed_data(self.options, 1))
        n = self.options.shots
        if n > len(data):
            raise SurveyError(
                f"'forward.shots' must be at most the number of data, {len(data)}, got {n}."
            )
        parts = [[values[i::n] for i in range(n)] for values in (data, noise)]
        return survey_of(parts[0], parts[1], {"kind": self.kind, **self._hashes()})

    def check(self, survey: Survey) -> Iterator[Finding]:
        """Check that the matrix fits the grid and the data."""
        yield from super().check(survey)
        try:
            jacobian = read_jacobian(self.options, self.domain.grid)
        except PviError as fault:
            yield error("forward.jacobian", str(fault))
            return
        if jacobian.shape[0] != survey.n_traces:
            yield error(
                "forward.jacobian",
                f"must have a row for each of the {survey.n_traces} data in "
                f"'{self.options.data}', got {jacobian.shape[0]} rows in "
                f"'{self.options.jacobian.file}'; make both from the same picks.",
            )
            return
        empty = int((np.diff(jacobian.indptr) == 0).sum())
        if empty:
            yield warning(
                "forward.jacobian",
                f"has {empty} rows without an element: their data say nothing of the model.",
            )
        seen = len(np.unique(jacobian.indices))
        yield ok(
            "forward.jacobian",
            f"has {jacobian.nnz} elements; data depend on {seen} of {jacobian.shape[1]} cells.",
        )

    def cost(self, survey: Survey) -> SimulationCost:
        """Return the cost of a product with one part."""
        file = Path(self.options.jacobian.file)
        size = file.stat().st_size if file.is_file() else 0
        # A compressed file is half as large as its elements, at the least a tenth.
        elements = size / 6
        seconds = PRODUCT_S * elements / self.options.shots + self.options.seconds
        return SimulationCost(
            memory=int(ROOM + ELEMENT * elements),
            forward_seconds=seconds,
            gradient_seconds=2 * seconds,
            storage="nothing is stored.",
            basis="assumed, from the size of 'forward.jacobian'",
        )


def read_jacobian(options: LinearSettings, grid: Grid) -> csr_array:
    """Return the matrix `(data, cells)` of a configuration.

    Raises
    ------
    ConfigError
        If the file is missing, damaged, or has not a column for each cell.
    """
    found = csr_array(read_rectangle(options.jacobian, "forward.jacobian"))
    if found.shape[1] != grid.size:
        raise ConfigError(
            f"'forward.jacobian' must have a column for each of the {grid.size} cells of "
            f"'grid.shape: {list(grid.shape)}', got {found.shape[1]} columns in "
            f"'{options.jacobian.file}'; make it for this grid."
        )
    found.sum_duplicates()
    found.eliminate_zeros()
    return found


class _Products:
    """Products with the rows of each part and with their transposes; `Linearised`.

    Sums of sparse products are added up in the order of the elements, by one thread.
    """

    def __init__(self, parts: list[csr_array]) -> None:
        self.parts = parts

    def run(self, model: Array, shot: int, *, gradient: bool) -> Result:
        """Return the data of a part, and the function that pulls back."""
        part, shape = self.parts[shot], model.shape

        def pull(derivative: Array) -> Array:
            return np.asarray(part.T @ derivative, dtype=np.float64).reshape(shape)

        return Result(part @ model.reshape(-1), pull if gradient else None)

    def derivative(self, model: Array, direction: Array, shot: int) -> Array:
        """Return the product of a part with a change of the model; as `Linearised`."""
        return np.asarray(self.parts[shot] @ direction.reshape(-1))

    def close(self) -> None:
        """Nothing runs between calls."""
