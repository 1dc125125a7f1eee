"""The text of `pvi ask`: a posterior's answers to the questions of a file."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pvi_hpc.answers.interrogation import LEVELS
from pvi_hpc.config.load import parse_settings
from pvi_hpc.config.questions import QuestionFile
from pvi_hpc.config.yaml_file import read_tree
from pvi_hpc.run.ask import ask
from pvi_hpc.run.results import RunResults, open_project
from pvi_hpc.store.atomic import write_text
from pvi_hpc.store.layout import ProjectPaths

__all__ = ["ask_run", "find_run", "tree_of"]


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


def tree_of(path: Path, section: str) -> Mapping[str, Any]:
    """Return a file that holds a section alone, or that section of a configuration."""
    tree = read_tree(path, f"'{section}'")
    return {section: tree.get(section, [])} if "grid" in tree else tree


def ask_run(
    name: str, questions: Path, draws: int | None, json_file: Path | None
) -> Iterator[str]:
    """Yield the lines that answer the questions of a file, which may be a configuration.

    Errors as `pvi_hpc.run.ask.ask`.
    """
    asked = parse_settings(QuestionFile, tree_of(questions, "questions"), str(questions))
    found = ask(find_run(name), asked.questions, draws)
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
    for key, label in (("of_the_mean_model", "mean model"), ("true", "true model")):
        if its.get(key) is not None:
            yield f"  {label:16} {its[key]:.6g} {unit}"
    told = its.get("sensitivity", {})
    if "slope" in told:
        slope = f"{told['slope']:.4g} ± {told['slope_se']:.2g} {unit} per m/s"
        yield f"  sensitivity      {slope}, at {told['threshold_m_s']:g} m/s"
    if its["without_answer"]:
        yield f"  without answer   {100 * its['without_answer']:.1f} % of {its['draws']} draws"
