"""A run served by its workers, until somebody stops it."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from pvi_hpc.config import Run
from pvi_hpc.data.survey_file import SurveyFile
from pvi_hpc.errors import ConfigError
from pvi_hpc.execution.lease import Lease
from pvi_hpc.problem.forward import forward_problem, has_products, simulation_setup
from pvi_hpc.problem.problem import Problem
from pvi_hpc.run.interrupt import StopFlag
from pvi_hpc.run.results import RunResults
from pvi_hpc.run.serving.models import served_models
from pvi_hpc.run.serving.server import ModelServer, is_loopback
from pvi_hpc.run.workers import workers_of

__all__ = ["Address", "serve_run"]


@dataclass(frozen=True)
class Address:
    """Address to listen at; `remote` allows other machines to connect."""

    host: str = "127.0.0.1"
    port: int = 4242
    remote: bool = False

    def check(self) -> None:
        """Raise ConfigError for an address that others reach, unless that is wanted."""
        if not (self.remote or is_loopback(self.host)):
            raise ConfigError(
                "'--host' must be of this machine alone, such as 127.0.0.1, got "
                f"'{self.host}': whoever reaches the port can simulate at your cost, without a "
                "password or encryption. Tunnel it ('ssh -L 4242:localhost:4242'), or give "
                "'--allow-remote' on a network that you trust."
            )


def serve_run(
    results: RunResults, address: Address, stop: StopFlag, say: Callable[[str], Any]
) -> None:
    """Serve a run's posterior and simulations until a signal or `pvi stop`; `say` tells how.

    Raises
    ------
    ConfigError
        If the address is refused or taken, or the survey is not prepared.
    LeaseError
        If a controller is working on the run.
    """
    address.check()
    run, survey = results.settings, results.project.survey
    if not survey.exists():
        raise ConfigError(
            f"'{survey}' must be there before a run is served: make it with "
            f"'pvi prepare {results.project.folder.name}', or 'pvi run'."
        )
    problem = Problem.build(run, survey)
    with Lease(results.paths.lease), _workers(results, stop) as simulator:
        has_data = forward_problem(run).has_data and simulator is not None
        shots = [range(problem.n_shots)]
        models = served_models(
            problem,
            simulator,
            (lambda model: simulator.simulate(model[None], shots)[0]) if has_data else None,
            _values(SurveyFile(survey)),
            products=has_products(run),
        )
        server = ModelServer(models, address.host, address.port)
        for line in _lines(run, problem, server, address):
            say(line)
        server.serve(stop.asked)


def _workers(results: RunResults, stop: StopFlag) -> AbstractContextManager[Any]:
    """Return the workers of a run; none for one that uses no data."""
    run = results.settings
    if not run.inference.use_data:
        return nullcontext()
    setup = simulation_setup(run, results.project.survey)
    return workers_of(run, setup, results.paths, stop.asked)


def _values(survey: SurveyFile) -> int:
    """Return the number of simulated values of all shots."""
    return sum(len(shot.receivers) for shot in survey.geometry().shots) * survey.n_samples


def _lines(run: Run, problem: Problem, server: ModelServer, address: Address) -> Iterator[str]:
    yield f"Run '{run.name}' is served at {server.url} by the protocol of UM-Bridge:"
    for model in server.models:
        size_in, size_out = model.sizes
        yield f"  {model.name:12} {size_in} unknowns theta -> {size_out}"
    coordinates = run.inference.coordinates
    its = "N(0, I)" if coordinates == "whitened" else "N(0, C) of correlated cells"
    yield f"The prior of theta is {its} ('inference.coordinates: {coordinates}')."
    if problem.noise is not None:
        yield "Noise sds are those of the survey, not those that the run infers."
    reach = "every machine that reaches it" if address.remote else "every user of this machine"
    yield f"There is no password: {reach} can simulate here. Ctrl-C ends it."
