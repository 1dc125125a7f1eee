"""Before an inversion begins: is the gradient it will use exact enough?"""

from collections.abc import Iterator

from pvi_hpc.checks.prior import velocity_range
from pvi_hpc.config.project import Run
from pvi_hpc.data.survey import Survey
from pvi_hpc.data.wavelets import for_solver
from pvi_hpc.findings import Finding, error, ok
from pvi_hpc.forward.acoustic.from_config import problem_setup

__all__ = ["check_gradient"]


def check_gradient(run: Run, survey: Survey) -> Iterator[Finding]:
    """Measure the gradient of the run's storage against the exact one, within seconds."""
    # Imported here: these load MPI.
    from pvi_hpc.forward.acoustic.solver_settings import settings_of
    from pvi_hpc.forward.acoustic.storage_choice import RunSize, choose_storage
    from pvi_hpc.forward.acoustic.storage_error import gradient_error

    setup = problem_setup(run, survey)
    settings = settings_of(setup)
    receivers = max(len(shot.receivers) for shot in survey.shots)
    size = RunSize(setup.n_steps, receivers, run.execution.ranks)
    storage = choose_storage(settings, size, setup.storage).storage
    wavelet = for_solver(survey.wavelet, setup.dt, setup.n_steps, resample=True)
    measured = gradient_error(settings, storage, wavelet, velocity_range(run))
    bound = run.solver.gradient.max_error
    text = f"{storage.describe(setup.n_steps)}: relative error of the gradient {measured:.1e}"
    if measured <= bound:
        yield ok("solver.gradient", f"{text}, at most {bound:.0e} allowed.")
    else:
        yield error(
            "solver.gradient.max_error",
            f"is {bound:.1e}, but {text}; set 'solver.gradient.every: "
            f"{max(1, storage.every // 2)}', or 'storage: checkpointed' for an exact one.",
        )
