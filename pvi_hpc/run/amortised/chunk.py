"""One chunk of a bank on a worker: models from the prior, their data, and a file of both."""

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

import cloudpickle  # type: ignore[import-untyped]
import numpy as np
import torch
from distributed import get_worker
from numpy.typing import NDArray

from pvi_hpc.execution.failures import Failure, GangError
from pvi_hpc.execution.gang.gang import Gang
from pvi_hpc.execution.gang.worker_plugin import worker_gang
from pvi_hpc.problem.model_map import ModelMap
from pvi_hpc.run.amortised.recipe import BankRecipe
from pvi_hpc.store.bank_file import BankChunk, write_chunk

__all__ = ["BLOCK_BYTES", "ChunkReport", "make_chunk"]

Models = NDArray[np.float32]

#: Most bytes of models, and of data, in one request to a gang.
BLOCK_BYTES: Final = 16 * 2**20
#: Duration that a request to a gang should have [s]: much more than its overhead of 1 ms.
REQUEST_S: Final = 0.5
#: Largest growth from one request to the next.
GROWTH: Final = 4
#: Failures that are of the node, not of the model.
OF_THE_NODE: Final = ("start",)


@dataclass(frozen=True)
class ChunkReport:
    """Account of a chunk that was written.

    `failures` are all that went wrong: draw, kind, message and whether the draw was given up.
    """

    index: int
    done: int
    seconds: float
    worker: str
    library: str
    starts: int
    failures: tuple[tuple[int, str, str, bool], ...] = ()


def make_chunk(sent: bytes, index: int) -> ChunkReport | Failure:
    """Simulate and write chunk `index` of a pickled recipe, on this worker's gang."""
    recipe, model_map = _loaded(sent)
    gang, start = worker_gang(), time.monotonic()
    worker = str(get_worker().address)
    made = _Chunk(recipe, model_map, gang, recipe.rows(index))
    try:
        made.simulate()
        write_chunk(recipe.folder, index, recipe.fingerprint, made.chunk())
    except (GangError, OSError) as error:  # Another node may be able to.
        kind = error.kind if isinstance(error, GangError) else "start"
        message = error.message if isinstance(error, GangError) else str(error)
        return Failure(kind, message, worker, time.monotonic() - start, index, gang.starts)
    return ChunkReport(
        index=index,
        done=len(made.rows) - len(made.failed),
        seconds=time.monotonic() - start,
        worker=worker,
        library=made.library,
        starts=gang.starts,
        failures=tuple(made.events),
    )


@lru_cache(maxsize=1)
def _loaded(sent: bytes) -> tuple[BankRecipe, ModelMap]:
    """Return a recipe and its map; files of the prior are found where the run was launched."""
    recipe: BankRecipe = cloudpickle.loads(sent)
    torch.set_num_threads(1)
    with contextlib.chdir(recipe.directory):
        return recipe, recipe.model_map()


@dataclass
class _Chunk:
    """A chunk that is being made. Data of a draw depend on its number only, not on requests."""

    recipe: BankRecipe
    model_map: ModelMap
    gang: Gang
    rows: range
    events: list[tuple[int, str, str, bool]] = field(default_factory=list)
    failed: dict[int, tuple[str, str]] = field(default_factory=dict)
    library: str = ""

    def __post_init__(self) -> None:
        n, total = len(self.rows), sum(self.recipe.n_data)
        self.theta = np.empty((n, self.model_map.n), np.float32)
        self.models = np.empty((n, self.model_map.n), np.float32)
        self.data = np.full((n, total), np.nan, np.float32)

    def chunk(self) -> BankChunk:
        """Return what the file holds."""
        failures = dict(sorted(self.failed.items()))
        return BankChunk(self.rows[0], self.theta, self.models, self.data, failures)

    def simulate(self) -> None:
        """Simulate all draws, as many in a request as half a second allows.

        Raises
        ------
        GangError
            If this node cannot start a gang.
        """
        at, size = 0, 1
        biggest = max(1, BLOCK_BYTES // max(4 * self.model_map.cells.grid.size, 1))
        biggest = min(biggest, max(1, BLOCK_BYTES // (4 * max(self.recipe.n_data))))
        while at < len(self.rows):
            places = range(at, min(at + size, len(self.rows)))
            models, begun = np.stack([self._draw(i) for i in places]), time.monotonic()
            self._together(places, models)
            took = max(time.monotonic() - begun, 1e-6)
            at += len(places)
            fitting = int(size * min(GROWTH, REQUEST_S / took))
            size = min(biggest, max(1, fitting))

    def _draw(self, place: int) -> Models:
        """Return the model `(nz, ny, nx)` of a draw, by itself: its bits are its own."""
        theta = self.recipe.theta(self.rows[place], self.model_map.n)
        model = self.model_map.models(torch.from_numpy(theta)[None])[0].numpy()
        found = model.astype(np.float32)
        self.theta[place], self.models[place] = theta, found[self.model_map.active]
        return np.asarray(found)

    def _together(self, places: range, models: Models) -> None:
        """Simulate draws in one request, and those that failed one by one."""
        try:
            bad = self._ask(places, models)
        except GangError as error:
            bad = dict.fromkeys(places, self._blame(error))
        for place, fault in bad.items():
            self._alone(place, models[place - places[0]], fault, blamed=len(places) == 1)

    def _alone(
        self, place: int, model: Models, fault: tuple[str, str], *, blamed: bool
    ) -> None:
        """Try a draw again by itself; give it up after as many tries as a task has.

        A gang that died with many models in a request tells nothing of which one it was.
        """
        tries = self.recipe.run.execution.retries + (not blamed and fault[0] in DEATHS)
        draw = self.rows[place]
        for _ in range(tries):
            if fault[0] == "bad_model":
                break
            self.events.append((draw, *fault, False))
            try:
                bad = self._ask(range(place, place + 1), model[None])
            except GangError as error:
                bad = {place: self._blame(error)}
            if not bad:
                return
            fault = bad[place]
        self.events.append((draw, *fault, True))
        self.failed[draw] = fault[0], fault[1].partition("\n")[0].replace("\t", " ")
        self.data[place] = np.nan

    def _blame(self, error: GangError) -> tuple[str, str]:
        """Return what a request died of; raise it again where no model can be to blame."""
        if error.kind in OF_THE_NODE or self.gang.closed:
            raise error
        return error.kind, error.message

    def _ask(self, places: range, models: Models) -> dict[int, tuple[str, str]]:
        """Fill in the data of draws; return those that failed."""
        bad: dict[int, tuple[str, str]] = {}
        for shots, columns in self._groups():
            answer = self.gang.simulate_models(models, shots, self.recipe.setup_fingerprint)
            self.library = answer.library
            its = {places[i]: (kind, message) for i, kind, message in answer.failures}
            good = [place for place in places if place not in its]
            if len(good):
                self.data[np.array(good)[:, None], np.array(columns)] = answer.data
            bad = {**its, **bad}
        return bad

    def _groups(self) -> Iterator[tuple[Sequence[int], range]]:
        """Yield the shots of each request and the columns of their data."""
        n_data, size = self.recipe.n_data, self.recipe.run.execution.shots_per_task
        for first in range(0, len(n_data), size):
            shots = range(first, min(first + size, len(n_data)))
            begin = sum(n_data[:first])
            yield shots, range(begin, begin + sum(n_data[first : shots[-1] + 1]))


#: Failures after which nothing of the gang is left.
DEATHS: Final[tuple[Any, ...]] = ("crash", "hang", "wrong_result")
