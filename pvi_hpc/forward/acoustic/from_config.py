"""The solver's setup, made from a configuration."""

from pathlib import Path

from pvi_hpc.config.project import Run
from pvi_hpc.data.prepare import NEGLIGIBLE_AMPLITUDE
from pvi_hpc.data.survey import Survey, Wavelet
from pvi_hpc.data.survey_file import SurveyFile, file_hash
from pvi_hpc.data.wavelets import max_frequency, peak_frequency
from pvi_hpc.forward.acoustic.storage_request import StorageWish
from pvi_hpc.forward.setup import SimulationSetup
from pvi_hpc.priors import prior_bounds

__all__ = ["make_setup", "problem_setup", "storage_wish"]


def make_setup(run: Run, survey_path: str | Path) -> SimulationSetup:
    """Return what workers need to simulate the shots of a prepared survey file.

    Raises
    ------
    SurveyError
        If the file is missing or not a survey file.
    """
    file = SurveyFile(survey_path)
    return problem_setup(run, file, str(survey_path), file_hash(survey_path))


def problem_setup(
    run: Run, survey: Survey | SurveyFile, path: str = "", digest: str = ""
) -> SimulationSetup:
    """Return the forward problem of a survey; its file and the file's hash for workers."""
    steps = run.solver.steps_per_sample
    return SimulationSetup(
        survey=path,
        survey_hash=digest,
        grid=run.grid.grid,
        dt=survey.dt / steps,
        n_steps=(survey.n_samples - 1) * steps + 1,
        steps_per_sample=steps,
        order=run.solver.order,
        n_pml=run.solver.n_pml,
        free_surface=run.solver.free_surface,
        precision=run.solver.precision,
        pml_velocity=prior_bounds(run.prior, run.cells)[1],
        pml_frequency=peak_frequency(survey.wavelet),
        threads=run.execution.threads,
        density=run.survey.density_kg_m3,
        storage=storage_wish(run, survey.wavelet),
    )


def storage_wish(run: Run, wavelet: Wavelet) -> StorageWish:
    """Return what a run asks of the storage of its gradients."""
    wanted = run.solver.gradient
    return StorageWish(
        kind=wanted.storage,
        every=wanted.every,
        memory_gb=wanted.memory_gb_per_rank,
        f_max=max_frequency(wavelet, NEGLIGIBLE_AMPLITUDE),
        folder=wanted.scratch,
    )
