"""The text of `pvi ask`, `pvi replace-prior` and `pvi export`: uses of a posterior."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pvi_hpc.answers.interrogation import LEVELS
from pvi_hpc.config.hypotheses import HypothesesFile
from pvi_hpc.config.load import load_project, parse_settings
from pvi_hpc.config.questions import LinearResponseSettings, QuestionFile
from pvi_hpc.config.yaml_file import read_tree
from pvi_hpc.report.answers import response_text
from pvi_hpc.report.corrected import corrected_rows
from pvi_hpc.run.answers.ask import ask
from pvi_hpc.run.answers.correct import Length, correct
from pvi_hpc.run.answers.export import export
from pvi_hpc.run.answers.hypotheses import replace_priors, write_hypotheses
from pvi_hpc.run.interrupt import StopFlag
from pvi_hpc.run.results import RunResults, open_project
from pvi_hpc.store.atomic import write_text
from pvi_hpc.store.layout import ProjectPaths

__all__ = ["ask_run", "correct_run", "export_run", "find_run", "replace_run_priors"]


def find_run(name: str) -> RunResults:
    """Return the results of a run that is named `demo/psvi`, or by its folder.

    Raises
    ------
    ConfigError
        If there is no such project, or no such run of it.
    """
    folder = Path(name)
    if not ProjectPaths(folder.parent).config.exists():
        folder = Path("results") / name
    return open_project(folder.parent)[folder.name]


def _tree_of(path: Path, section: str) -> Mapping[str, Any]:
    """Return a file that holds a section alone, or that section of a configuration."""
    tree = read_tree(path, f"'{section}'")
    return {section: tree.get(section, [])} if "grid" in tree else tree


def ask_run(
    name: str,
    questions: Path,
    draws: int | None,
    json_file: Path | None,
    products: int | None = None,
) -> Iterator[str]:
    """Yield the lines that answer the questions of a file, which may be a configuration.

    With `products` every question has a linear response of so many products at most. Errors
    as `pvi_hpc.run.answers.ask.ask`.
    """
    parsed = parse_settings(QuestionFile, _tree_of(questions, "questions"), str(questions))
    asked, results = parsed.questions, find_run(name)
    if products is not None:
        response = LinearResponseSettings(products=products)
        asked = tuple(q.model_copy(update={"linear_response": response}) for q in asked)
    with StopFlag(results.project.stop) as stop:
        found = ask(results, asked, draws, stop)
    for question, its in found.items():
        yield from _lines(question, its)
    if json_file is not None:
        write_text(json_file, json.dumps({"answers": found}, indent=1) + "\n")
        yield f"Wrote {json_file}"


def _lines(name: str, its: dict[str, Any]) -> Iterator[str]:
    unit, prior = its["unit"], its["prior"]
    if its["mean"] is None:
        yield f"{name}: none of {its['draws']} draws has an answer"
        return
    yield f"{name}: {its['mean']:.6g} ± {its['sd']:.3g} {unit} (mean and sd)"
    quantiles = (f"{100 * q:g} %: {its['quantiles'][f'{q:g}']:.6g}" for q in LEVELS)
    yield f"  quantiles        {', '.join(quantiles)}"
    utility = f"{its['utility']['kind']}, expected cost {its['expected_cost']:.4g}"
    yield f"  optimal answer   {its['optimal_answer']:.6g} {unit} ({utility})"
    if prior["mean"] is None:
        yield "  prior            no draw of it has an answer"
    else:
        yield f"  prior            {prior['mean']:.6g} ± {prior['sd']:.3g} {unit}"
    if "linear_response" in its:
        yield f"  linear response  {response_text(its)}"
    for key, label in (("of_the_mean_model", "mean model"), ("true", "true model")):
        if its.get(key) is not None:
            yield f"  {label:16} {its[key]:.6g} {unit}"
    told = its.get("sensitivity", {})
    if "slope" in told:
        slope = f"{told['slope']:.4g} ± {told['slope_se']:.2g} {unit} per m/s"
        yield f"  sensitivity      {slope}, at {told['threshold_m_s']:g} m/s"
    if its["without_answer"]:
        yield f"  without answer   {100 * its['without_answer']:.1f} % of {its['draws']} draws"


def correct_run(name: str, chains: int, warmup: int, draws: int) -> Iterator[str]:
    """Correct the posterior of a run by chains, and yield the lines that tell of it.

    Answers to the questions of its configuration are compared too. Errors as
    `pvi_hpc.run.answers.correct.correct`.
    """
    results = find_run(name)
    questions = load_project(results.project.config).questions
    with StopFlag(results.project.stop) as stop:
        found = correct(results, questions, Length(chains, warmup, draws), stop)
    yield (
        f"{100 * found['acceptance']:.0f} % of the proposals accepted, with steps b = "
        f"{found['step']:.3g}; {found['simulations']} simulations of one shot"
    )
    for row in corrected_rows(found):
        yield f"  {row.name:40} {row.value}; {row.note}"
    yield f"Wrote {results.paths.corrected_facts} and {results.paths.corrected.folder}"


def replace_run_priors(name: str, path: Path, json_file: Path | None) -> Iterator[str]:
    """Replace the prior of a run by each of a file, and yield the lines that tell of it.

    The file may be a configuration. Errors as `pvi_hpc.run.answers.hypotheses.replace_priors`.
    """
    tree = _tree_of(path, "hypotheses")
    wanted = parse_settings(HypothesesFile, tree, str(path)).hypotheses
    results = find_run(name)
    found = replace_priors(results.settings, results.project.survey, results.paths, wanted)
    ranked = found["ranking"]
    yield "log evidence less that of the run's own prior, probability, and the files:"
    for hypothesis in ranked["order"]:
        folder = results.paths.under(hypothesis).folder
        yield _ranked(
            hypothesis, found["hypotheses"], ranked["probability"][hypothesis], folder
        )
    for hypothesis, its in found["hypotheses"].items():
        if "refused" in its:
            yield f"  {hypothesis:16} refused: {its['refused']}"
    yield (
        f"probability that the first is first, by the errors: {ranked['first_is_first']:.3f}; "
        f"that the whole order is right: {ranked['order_is_right']:.3f}"
    )
    if json_file is not None:
        write_hypotheses(found, json_file)
        yield f"Wrote {json_file}"


def _ranked(name: str, found: dict[str, Any], probability: float, folder: Path) -> str:
    if name == "own":
        return f"  {name:16} {0:12.2f}            {probability:8.3g}"
    its = found[name]["evidence"]
    error = f"± {its['standard_error']:.2g} ({its['kind']})"
    return f"  {name:16} {its['log_ratio']:12.2f} {error}  {probability:8.3g}  {folder}"


def export_run(
    name: str,
    fields: str,
    form: str,
    folder: Path | None,
    samples: int | None,
    under: str | None,
) -> Iterator[str]:
    """Export a posterior, that under the hypothesis `under` if given, and yield the files.

    `fields` are names with commas between them; errors as `pvi_hpc.run.answers.export.export`.
    """
    results = find_run(name)
    paths = results.paths if under is None else results.paths.under(under)
    target = folder or paths.folder / "export"
    chosen = [field.strip() for field in fields.split(",") if field.strip()]
    for path in export(paths, chosen, form, target, samples):
        yield f"Wrote {path}"
