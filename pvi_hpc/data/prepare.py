"""From a configuration to the survey, the true model and the forward problem of a run."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.config.project import Run
from pvi_hpc.data.model_file import read_model
from pvi_hpc.data.settings import GeneratorSettings, SurveySettings
from pvi_hpc.data.survey import Survey, Wavelet
from pvi_hpc.data.survey_file import read_survey
from pvi_hpc.data.synthetic import add_noise, generate_model, geometry
from pvi_hpc.data.traces import expand_files, import_traces, with_noise_window
from pvi_hpc.data.wavelets import wavelet_of
from pvi_hpc.errors import SurveyError

__all__ = ["Simulate", "prepare_survey", "survey_geometry", "true_model"]

#: Share of the wavelet's largest amplitude below which a frequency does not count.
NEGLIGIBLE_AMPLITUDE: Final = 0.01

Model = NDArray[np.float32]
#: Geometry and model [m/s] to clean traces, one `(n_receivers, n_samples)` a shot.
Simulate = Callable[[Survey, Model], Sequence[NDArray[np.float32]]]


def prepare_survey(run: Run, simulate: Simulate) -> Survey:
    """Import the survey of a run, or simulate it with `simulate` and add noise.

    Its wavelet has the solver's time step, unless a file has another one and
    `survey.wavelet.resample` is false: `pvi_hpc.checks.run` then refuses the run.

    Raises
    ------
    SurveyError
        If a file is damaged or does not fit the settings.
    """
    settings = run.survey
    survey = survey_geometry(run)
    if settings.synthetic is not None:
        model = true_model(run)
        assert model is not None  # a synthetic survey is made from one
        traces = simulate(survey, model)
        return add_noise(survey.with_data(traces), settings.synthetic.noise_level,
                         settings.synthetic.seed)  # fmt: skip
    return survey


def survey_geometry(run: Run) -> Survey:
    """Return the survey as `prepare_survey` does, a synthetic one without data.

    This is cheap enough for a check before anything runs.
    """
    settings = run.survey
    if settings.synthetic is not None:
        shape = settings.synthetic.dt_s, settings.synthetic.n_samples
        survey = geometry(settings.synthetic, _wavelet(run, *shape))
        return replace(survey, component=settings.component)
    if settings.format == "hdf5":
        return _own_file(run)
    assert settings.format != "synthetic"  # handled above
    unknown = Wavelet(np.zeros(1), 1.0)
    survey = import_traces(
        settings.files,
        kind=settings.format,
        wavelet=unknown,
        noise_sd=settings.noise_sd or 1.0,
        component=settings.component,
    )
    survey = _with_noise(survey, settings)
    return replace(survey, wavelet=_wavelet(run, survey.dt, survey.n_samples))


def true_model(run: Run) -> Model | None:
    """Return the model the data were made from `(nz, ny, nx)` [m/s], or None if unknown.

    It may only be drawn and scored, never used by an inversion.
    """
    grid, synthetic = run.grid.grid, run.survey.synthetic
    source = synthetic.model if synthetic is not None else run.survey.true_model
    if isinstance(source, GeneratorSettings):
        return generate_model(source, grid)
    return read_model(source, grid) if source is not None else None


def _own_file(run: Run) -> Survey:
    paths = expand_files(run.survey.files)
    if len(paths) != 1:
        raise SurveyError(
            f"'survey.files' must name one file with 'format: hdf5', got {len(paths)}: {paths}."
        )
    survey = _with_noise(read_survey(paths[0]), run.survey)
    if run.survey.wavelet is None:
        return survey
    return replace(survey, wavelet=_wavelet(run, survey.dt, survey.n_samples))


def _with_noise(survey: Survey, settings: SurveySettings) -> Survey:
    if settings.noise_window_s is not None:
        return with_noise_window(survey, settings.noise_window_s)
    if settings.noise_sd is None:
        return survey
    level = settings.noise_sd
    shots = tuple(
        replace(s, noise_sd=np.where(np.isinf(s.noise_sd), np.inf, level)) for s in survey.shots
    )
    return replace(survey, shots=shots)


def _wavelet(run: Run, dt: float, n_samples: int) -> Wavelet:
    steps = run.solver.steps_per_sample
    assert run.survey.wavelet is not None  # the configuration asks for one
    return wavelet_of(run.survey.wavelet, dt / steps, (n_samples - 1) * steps + 1)
