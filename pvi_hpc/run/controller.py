"""The controller: advances one run, iteration by iteration, from checkpoint to checkpoint."""

import logging
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pvi_hpc.config import Run
from pvi_hpc.cost import SimulationCount
from pvi_hpc.errors import NonFiniteError, StopRequestedError
from pvi_hpc.execution.lease import Lease
from pvi_hpc.inference.history import History, Info
from pvi_hpc.inference.method import Method
from pvi_hpc.inference.noise_inference import factors_of
from pvi_hpc.inference.state import State
from pvi_hpc.run.interrupt import StopFlag
from pvi_hpc.run.plan import claim_run, total_iterations
from pvi_hpc.run.status import Status
from pvi_hpc.store.checkpoint import CheckpointStore
from pvi_hpc.store.layout import RunPaths

__all__ = ["Controller", "Progress", "from_tree", "to_tree"]

log = logging.getLogger(__name__)

#: Share of the time that writing checkpoints may take.
CHECKPOINT_SHARE = 0.02


@dataclass(frozen=True)
class Progress:
    """Progress of a run: its distribution, its history and its cost so far."""

    state: State
    history: History
    count: SimulationCount
    seconds: float

    def reached(self, iteration: int) -> bool:
        """Return whether there is nothing left to do up to an iteration."""
        return self.state.converged or self.state.iteration >= iteration


class Controller:
    """Advances a run while it holds the run's lease.

    Parameters
    ----------
    run, paths
        The run and its files.
    method
        The method of inference; its simulator must be ready.
    store
        The run's checkpoints.
    lease
        Taken; checked before every checkpoint.
    """

    def __init__(
        self,
        run: Run,
        paths: RunPaths,
        method: Method,
        store: CheckpointStore,
        lease: Lease,
    ) -> None:
        self.run, self.paths, self.method = run, paths, method
        self.store, self.lease = store, lease
        self._written, self._saved = time.monotonic(), -1
        self._cost = 0.0
        self._rate: float | None = None
        self._latest = 0.0

    def advance(self, progress: Progress, until: int, stop: StopFlag) -> Progress:
        """Iterate up to `until`, or to the next safe point after a signal.

        An error leaves the newest checkpoint as it was and says so in the status.
        """
        try:
            self._report(progress, "running")
            # An iteration that ends for want of workers has changed nothing.
            with suppress(StopRequestedError):
                while not progress.reached(until) and not stop:
                    progress = self._iterate(progress)
                    stop.took(self._latest)
                    self._checkpoint(progress)
                    self._report(progress, "running")
            self._checkpoint(progress, force=True)
        except NonFiniteError as error:
            self._report(progress, "failed", f"{type(error).__name__}: {error}")
            raise NonFiniteError(
                f"{error} That is in 'inference.optimiser' and 'start'. The last checkpoint is "
                "intact, and the solver's log may tell more."
            ) from error
        except BaseException as error:
            self._report(progress, "failed", f"{type(error).__name__}: {error}")
            raise
        self._report(progress, *self._final_state(progress, stop))
        return progress

    def _iterate(self, progress: Progress) -> Progress:
        start = time.monotonic()
        state, info = self.method.step(progress.state)
        seconds = time.monotonic() - start
        self._latest = seconds
        self._rate = seconds if self._rate is None else 0.8 * self._rate + 0.2 * seconds
        log.info(_describe(info, state.iteration, total_iterations(self.run), seconds))
        return Progress(
            state,
            progress.history.append(info, seconds),
            progress.count + info.count,
            progress.seconds + seconds,
        )

    def _checkpoint(self, progress: Progress, *, force: bool = False) -> None:
        iteration = progress.state.iteration
        cheap = self._cost <= CHECKPOINT_SHARE * (time.monotonic() - self._written)
        if iteration == self._saved or not (force or cheap):
            return
        self.lease.check()
        # Only now is there something that other settings could spoil.
        claim_run(self.run, self.paths)
        start = time.monotonic()
        self.store.save(iteration, to_tree(progress))
        self._saved, self._written = iteration, time.monotonic()
        self._cost = self._written - start

    def _final_state(self, progress: Progress, stop: StopFlag) -> tuple[str, str]:
        """Return the state and why."""
        if progress.state.converged:
            return "finished", f"converged after {progress.state.iteration} iterations"
        if progress.reached(total_iterations(self.run)):
            return "finished", ""
        return ("stopped", stop.received or "") if stop else ("waiting", "")

    def _report(self, progress: Progress, state: str, message: str = "") -> None:
        history, factors = progress.history, factors_of(progress.state.memory)
        Status(
            run=self.run.name,
            state=state,
            iteration=progress.state.iteration,
            iterations=total_iterations(self.run),
            phase=self.method.phase(progress.state.iteration),
            elbo=history.last("elbo"),
            chi_squared=history.last("chi_squared"),
            done=progress.count.done,
            failed=progress.count.failed,
            retried=progress.count.retried,
            dropped=progress.count.dropped,
            noise=() if factors is None else tuple(factors.sd.tolist()),
            seconds=progress.seconds,
            rate=self._rate,
            message=message,
        ).publish(self.paths.status)


def to_tree(progress: Progress) -> dict[str, Any]:
    """Return what a checkpoint holds."""
    count = progress.count
    return {
        "state": progress.state.to_tree(),
        "history": progress.history.to_tree(),
        "ledger": {
            "done": count.done,
            "failed": count.failed,
            "retried": count.retried,
            "dropped": count.dropped,
            "worker_seconds": count.seconds,
            "seconds": progress.seconds,
        },
    }


def from_tree(tree: dict[str, Any]) -> Progress:
    """Return what `to_tree` put into a checkpoint."""
    ledger = dict(tree["ledger"])
    seconds = float(ledger.pop("seconds"))
    worker_seconds = float(ledger.pop("worker_seconds"))
    count = SimulationCount(**{k: int(v) for k, v in ledger.items()}, seconds=worker_seconds)
    return Progress(
        State.from_tree(tree["state"]),
        History.from_tree(tree["history"]),
        count,
        seconds,
    )


def _describe(info: Info, iteration: int, iterations: int, seconds: float) -> str:
    return (
        f"iteration {iteration}/{iterations} {info.phase} elbo={info.elbo:.6g} "
        f"chi2={info.chi_squared:.4f} gradient={info.gradient_norm:.4g} "
        f"simulations={info.count.done} failed={info.count.failed} "
        f"retried={info.count.retried} {seconds:.2f} s"
    )
