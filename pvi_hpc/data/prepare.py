"""From the section `survey` of a configuration to the survey and the true model."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.data.model_file import read_model
from pvi_hpc.data.settings import GeneratorSettings, ModelFileSettings, SurveySettings
from pvi_hpc.data.survey import Survey, Wavelet
from pvi_hpc.data.survey_file import read_survey
from pvi_hpc.data.synthetic import add_noise, generate_model, geometry
from pvi_hpc.data.trace_files.traces import expand_files, import_traces, with_noise_window
from pvi_hpc.data.wavelets import wavelet_of
from pvi_hpc.errors import SurveyError
from pvi_hpc.grid import Grid

__all__ = ["Simulate", "prepare_survey", "survey_files", "survey_geometry", "true_model"]

Model = NDArray[np.float32]


#: Geometry and model [m/s] to clean traces, one `(n_receivers, n_samples)` a shot.
Simulate = Callable[[Survey, Model], Sequence[NDArray[np.float32]]]


def prepare_survey(
    settings: SurveySettings, grid: Grid, steps: int, simulate: Simulate
) -> Survey:
    """Import a survey, or simulate it with `simulate` and add noise.

    Its wavelet has the solver's time step, `steps` of them a sample, unless a file has another
    one and `survey.wavelet.resample` is false: the checks of a run then refuse it.

    Raises
    ------
    SurveyError
        If a file is damaged or does not fit the settings.
    """
    survey = survey_geometry(settings, steps)
    if settings.synthetic is not None:
        model = true_model(settings, grid)
        assert model is not None  # a synthetic survey is made from one
        traces = simulate(survey, model)
        return add_noise(survey.with_data(traces), settings.synthetic.noise_level,
                         settings.synthetic.seed)  # fmt: skip
    return survey


def survey_geometry(settings: SurveySettings, steps: int) -> Survey:
    """Return the survey as `prepare_survey` does, a synthetic one without data.

    This is cheap enough for a check before anything runs.
    """
    if settings.synthetic is not None:
        shape = settings.synthetic.dt_s, settings.synthetic.n_samples
        survey = geometry(settings.synthetic, _wavelet(settings, steps, *shape))
        return replace(survey, component=settings.component)
    if settings.format == "hdf5":
        return _own_file(settings, steps)
    assert settings.format != "synthetic"  # handled above
    unknown = Wavelet(np.zeros(1), 1.0)
    survey = import_traces(
        settings.files,
        kind=settings.format,
        wavelet=unknown,
        noise_sd=settings.noise_sd or 1.0,
        component=settings.component,
        description=settings.headers,
    )
    survey = _with_noise(survey, settings)
    return replace(survey, wavelet=_wavelet(settings, steps, survey.dt, survey.n_samples))


def true_model(settings: SurveySettings | None, grid: Grid) -> Model | None:
    """Return the model the data were made from `(nz, ny, nx)` [m/s], or None if unknown.

    It may only be drawn and scored, never used by an inversion.
    """
    if settings is None:
        return None
    synthetic = settings.synthetic
    source = synthetic.model if synthetic is not None else settings.true_model
    if isinstance(source, GeneratorSettings):
        return generate_model(source, grid)
    return read_model(source, grid) if source is not None else None


def survey_files(settings: SurveySettings) -> list[str]:
    """Return the files that a survey is made from.

    Raises
    ------
    SurveyError
        If a file or pattern of `survey.files` names nothing.
    """
    files = expand_files(settings.files) if settings.files else []
    if settings.wavelet is not None and settings.wavelet.file is not None:
        files.append(settings.wavelet.file)
    model = settings.synthetic.model if settings.synthetic is not None else None
    if isinstance(model, ModelFileSettings):
        files.append(model.file)
    return files


def _own_file(settings: SurveySettings, steps: int) -> Survey:
    paths = expand_files(settings.files)
    if len(paths) != 1:
        raise SurveyError(
            f"'survey.files' must name one file with 'format: hdf5', got {len(paths)}: {paths}."
        )
    survey = _with_noise(read_survey(paths[0]), settings)
    if settings.wavelet is None:
        return survey
    return replace(survey, wavelet=_wavelet(settings, steps, survey.dt, survey.n_samples))


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


def _wavelet(settings: SurveySettings, steps: int, dt: float, n_samples: int) -> Wavelet:
    assert settings.wavelet is not None  # the configuration asks for one
    return wavelet_of(settings.wavelet, dt / steps, (n_samples - 1) * steps + 1)
