"""The iterations of a fit, kept in a file, and gone on with from it."""

import time
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Final

from pvi_hpc.errors import ConfigError
from pvi_hpc.inference.log_prob_target import LogProbTarget
from pvi_hpc.inference.starts.given_curvature import Curvature
from pvi_hpc.library.begin import Given
from pvi_hpc.library.densities import Bounds
from pvi_hpc.library.fit_file import load_fit
from pvi_hpc.library.progress import Progress
from pvi_hpc.library.result import Fit
from pvi_hpc.library.verdict import judge

__all__ = ["resumed", "run"]

#: Time between two files of a fit that goes on [s].
SAVE_EVERY_S: Final = 60.0


def run(result: Fit, curvature: Curvature | None, file: Path | None, progress: Progress) -> Fit:
    """Return the fit after all iterations, with its verdict, saved to `file`.

    What there is goes to `file` where an error or an interruption ends it.
    """
    method, before = result.method, result.evaluations
    target = result.target
    assert isinstance(target, LogProbTarget)  # `begin` makes it
    state, history, saved = result.state, result.history, time.monotonic()
    try:
        while not (state.converged or state.iteration >= method.n_iterations):
            if curvature is not None and state.iteration == result.start.iterations:
                curvature.start(method, state)
            # An interruption may come while a step changes tensors.
            result = result if file is None else replace(result, state=state.clone())
            state, info = method.step(state)
            history = history.append(info)
            result = replace(
                result, state=state, history=history, evaluations=before + target.evaluations
            )
            progress(info, method.n_iterations)
            if file is not None and time.monotonic() - saved > SAVE_EVERY_S:
                _save(result, file)
                saved = time.monotonic()
        cost = int(history.arrays["done"].sum())
        verdict = judge(method, state, target, cost, result.seed)
        result = replace(result, verdict=verdict, evaluations=before + target.evaluations)
    except BaseException as error:
        if file is not None:
            _save(result, file)
            error.add_note(
                f"The state before that iteration is in '{file}'; 'resume=True' goes on."
            )
        raise
    if file is not None:
        _save(result, file)
    return result


def resumed(given: Given, file: Path | None) -> Fit | None:
    """Return the fit in `file`, to go on with; None where there is no file.

    Raises
    ------
    ConfigError
        If no file is named, or it is that of another fit.
    """
    if file is None:
        raise ConfigError("'path' must name the file to go on from with 'resume', got None.")
    if not file.exists():
        return None
    found = load_fit(file, given.log_prob)
    inference, _ = given.inference()
    same = {
        "n": (found.shape, given.shape),
        "seed": (found.seed, given.seed),
        "settings": (found.settings, inference),
    }
    for name, (old, new) in same.items():
        if old != new:
            raise ConfigError(
                f"'{name}' must be that of the fit in '{file}' with 'resume', {old}, got "
                f"{new}; give another 'path'."
            )
    if _sides(found.bounds) != _sides(given.limits()):
        raise ConfigError(
            f"'bounds' must be those of the fit in '{file}' with 'resume'; give another 'path'."
        )
    return found


def _sides(bounds: Bounds | None) -> tuple[list[float], ...] | None:
    return None if bounds is None else (bounds.lower.tolist(), bounds.upper.tolist())


def _save(result: Fit, file: Path) -> None:
    """Save a fit, which must not be lost where the disk has become full meanwhile."""
    try:
        result.save(file)
    except OSError as error:
        warnings.warn(
            f"The fit could not be saved ({error}); it is returned all the same: save it "
            "elsewhere with 'save'.",
            stacklevel=4,
        )
