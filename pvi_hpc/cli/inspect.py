"""The text of `pvi inspect`: content of a SEG-Y or SU file, and the lines it needs."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pvi_hpc.config import load_project
from pvi_hpc.data.header_settings import HeaderSettings
from pvi_hpc.data.inspection.content import Kind, SampleSummary
from pvi_hpc.data.inspection.inspect import Inspection, inspect_traces
from pvi_hpc.data.survey import Component
from pvi_hpc.data.trace_files.header_words import bytes_of
from pvi_hpc.data.trace_files.sample_formats import FORMATS
from pvi_hpc.errors import ConfigError

__all__ = ["inspect_file"]


def inspect_file(path: Path, kind: str | None, config: str | None) -> Iterator[str]:
    """Yield lines that say what a file holds, what is odd in it, and what settles that.

    Raises
    ------
    ConfigError
        If the file is missing or its kind unknown.
    SurveyError
        If it cannot be read at all.
    """
    description = HeaderSettings()
    component: Component = "pressure"
    if config is not None:
        survey = load_project(config).survey
        if survey is not None:
            description, component = survey.headers, survey.component
    if not path.is_file():
        raise ConfigError(f"'{path}' must be a SEG-Y or SU file, but there is no such file.")
    if kind not in (None, "segy", "su"):
        raise ConfigError(f"'--format' must be segy or su, got '{kind}'.")
    of = kind or ("su" if path.suffix.lower() == ".su" else "segy")
    chosen: Kind = "su" if of == "su" else "segy"
    yield from _lines(inspect_traces(path, chosen, description, component))


def _lines(found: Inspection) -> Iterator[str]:
    file = found.records
    name, order = found.kind.upper(), "big" if file.order == ">" else "little"
    if found.layout is not None:
        name = "SEG-Y, revision {}.{}".format(*found.layout.revision)
    yield (
        f"{found.path}: {name}, {order}-endian, {FORMATS[file.code].name}, {file.n_traces} "
        f"traces of {file.n_samples} samples every {found.dt * 1e3:g} ms"
    )
    yield ""
    yield "Words of the trace headers: lowest and highest value, number of values"
    for word, place in found.words.items():
        values = found.headers[word]
        if word in found.settings.values:
            value = _number(values.max())
            yield f"  {word:26}{bytes_of(place):16}{value:>28}  by 'values' below"
        elif values.any():
            different = len(np.unique(values))
            span = f"{_number(values.min())} to {_number(values.max())}"
            yield f"  {word:26}{bytes_of(place):16}{span:>28}{different:>9}"
    given = found.settings.values
    unused = [w for w in found.words if not (w in given or found.headers[w].any())]
    yield f"  0 in all traces: {', '.join(unused)}" if unused else ""
    yield ""
    yield from _samples(found.samples)
    if found.complete:
        yield from _geometry(found)
    for kind, title in (("assumed", "Assumed:"), ("doubtful", "Doubtful:")):
        texts = [remark for remark in found.remarks if remark.kind == kind]
        if texts:
            yield title
        for remark in texts:
            yield f"  - {remark.text}" + (f" ({remark.traces} traces)" if remark.traces else "")
    yield from _answers(found)


def _samples(samples: SampleSummary) -> Iterator[str]:
    power = np.cumsum(samples.power)
    if power[-1] > 0:
        low, high = (
            samples.frequency[int(np.searchsorted(power, share * power[-1]))]
            for share in (0.05, 0.95)
        )
        peak = samples.frequency[int(samples.power.argmax())]
        band = (
            f"; 90 % of the energy between {low:.3g} and {high:.3g} Hz, peak at {peak:.3g} Hz"
        )
    else:
        band = ""
    yield f"Samples: rms {samples.rms:.4g}, largest {samples.largest:.4g}{band}"
    if samples.silent or samples.not_finite:
        yield (f"Traces: {samples.silent} all zero, {samples.not_finite} with NaN or infinity")


def _geometry(found: Inspection) -> Iterator[str]:
    yield f"Shots: {len(found.shots)}, numbered {found.shots[0]} to {max(found.shots)}"
    for kind, points in (("Sources", found.sources), ("Receivers", found.receivers)):
        low, high = points.min(axis=0), points.max(axis=0)
        spans = (f"{a} {x:.7g} to {y:.7g}" for a, x, y in zip("zyx", low, high, strict=True))
        yield f"{kind}: {', '.join(spans)} m"
    distance = np.hypot(*(found.receivers - found.sources)[:, 1:].T)
    yield f"Offsets: {distance.min():.6g} to {distance.max():.6g} m"


def _answers(found: Inspection) -> Iterator[str]:
    if found.refusals:
        yield "As it stands the file is refused:"
    for number, text in enumerate(found.refusals, 1):
        yield f"  {number}. {text}"
    lines = found.settings.changed()
    if not found.complete:
        yield "The last of these has no answer that a program can give."
    elif found.refusals:
        yield "It is read with these lines; each is a guess for you to confirm:"
    else:
        yield "It is read" + (" with these lines:" if lines else " as it stands.")
    if lines:
        yield from ("survey:", f"  format: {found.kind}", "  headers:")
        yield from (f"    {line}" for line in lines)


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else f"{value:.7g}"
