"""Every block of code on a page works: Python runs, YAML is valid, commands exist."""

import re
import shlex

import numpy as np
import pytest
import yaml
from pages import ROOT, TUTORIAL, blocks, name_of, pages
from report_example import posterior
from typer.core import TyperGroup
from typer.main import get_command

from pvi_hpc.cli.app import app
from pvi_hpc.config.load import load_project, parse_project
from pvi_hpc.grid import Grid
from pvi_hpc.store.posterior_file import write_posterior
from pvi_hpc.store.samples import write_samples

#: Files that a command may name, and those that are the reader's own.
OURS = re.compile(r"(?:config|cluster_profiles|scripts|benchmarks|tests|workflow)/[\w./-]+")
MINE = re.compile(r"/mine\b|/mysite\b")
TARGET = re.compile(r"^([\w-]+):", re.MULTILINE)


def write_results(folder):
    """Write the result files that the pages read."""
    grid = Grid((24, 10, 12), (50.0,) * 3)
    summary = posterior(grid)
    write_posterior(summary, folder / "posterior.h5")
    write_samples(folder / "samples.nc", grid, [summary.mean, summary.mean + summary.sd], 2)


def pages_with_python():
    found = {block.page for block in blocks("python") if block.page.name not in TUTORIAL}
    return sorted(found)


@pytest.mark.parametrize("page", pages_with_python(), ids=name_of)
def test_the_python_of_a_page_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    write_results(tmp_path)
    code = "\n".join(block.text for block in blocks("python") if block.page == page)
    exec(compile(code, str(page), "exec"), {"np": np})


def heading(text):
    """Return the first line of a YAML block: a comment that names its file."""
    return text.split("\n", 1)[0]


@pytest.mark.parametrize("block", blocks("yaml"), ids=lambda block: name_of(block.page))
def test_the_yaml_of_a_page_is_a_valid_configuration(block, tmp_path):
    tree = yaml.safe_load(block.text)
    assert tree
    if heading(block.text).startswith("# config/"):
        demo = yaml.safe_load((ROOT / "config" / "demo.yaml").read_text())
        if "forward" in tree:  # it brings its own data
            demo = {key: demo[key] for key in demo if key not in ("survey", "forward")}
        assert parse_project(demo | tree)
    elif "dask.yaml" in heading(block.text):
        (tmp_path / "dask.yaml").write_text(block.text)
        project = load_project(ROOT / "config" / "demo.yaml", site=tmp_path / "dask.yaml")
        assert project.execution.executor == tree["executor"]
    else:
        assert "config.yaml" in heading(block.text), "the first line must name the file"
        shipped = (ROOT / "cluster_profiles" / "slurm" / "config.yaml").read_text()
        assert set(tree) <= set(yaml.safe_load(shipped))


def commands():
    """Return `(page, words)` of every command line on the pages."""
    found = []
    for block in blocks("console"):
        for line in block.text.splitlines():
            assert line.startswith("$ "), f"{name_of(block.page)}: {line!r} has no prompt"
            found += [(block.page, shlex.split(part)) for part in line[2:].split(" && ")]
    return found


def parse_pvi(words):
    """Let `pvi` parse a command line, without running it."""
    command, context = get_command(app), None
    while isinstance(command, TyperGroup):
        parent = command.make_context("pvi", [], parent=context, resilient_parsing=True)
        name, command, words = command.resolve_command(parent, words)
        context = parent
    command.make_context(name, words, parent=context)


@pytest.mark.parametrize(
    ("page", "words"), commands(), ids=lambda v: " ".join(v) if isinstance(v, list) else "in"
)
def test_a_command_of_a_page_exists(page, words):
    program = next(word for word in words if "=" not in word)
    if program == "pvi":
        parse_pvi(words[1:])
    if program == "make":
        assert set(words[1:]) <= set(TARGET.findall((ROOT / "Makefile").read_text()))
    named = [path for word in words for path in OURS.findall(word)]
    assert not [p for p in named if not (ROOT / p).exists() and not MINE.search(p)]


def test_an_option_that_does_not_exist_is_noticed():
    with pytest.raises(Exception, match="No such option"):
        parse_pvi(["run", "config/demo.yaml", "--profil", "x"])


def test_every_subcommand_in_the_text_exists():
    group = get_command(app)
    assert isinstance(group, TyperGroup)
    known = set(group.commands)
    for page in pages():
        for name in re.findall(r"`pvi ([a-z-]+)", page.read_text()):
            assert name in known, f"{name_of(page)}: pvi {name}"
