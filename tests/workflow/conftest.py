"""Projects that tests of the workflow begin with."""

import shutil
from pathlib import Path

import pytest
from made_once import made_once
from tiny_project import Project

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest tests, lest one process runs them while the others have ended.

    While one process makes `finished` for the first of them, others do what does not need it.
    """
    ours = [item for item in items if HERE in item.path.parents]
    waiting = [item for item in ours if "finished" in getattr(item, "fixturenames", ())]
    free = [item for item in ours if item not in waiting]
    others = [item for item in items if HERE not in item.path.parents]
    items[:] = [*waiting[:1], *free, *waiting[1:], *others]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project that nothing was run of."""
    return Project(tmp_path)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The tiny project, run to its end by `pvi run`. Tests must not change it."""
    k_hat = {"blocks": [1, 1, 2], "draws": 25}
    posterior = {"samples": 20, "predictive_draws": 2, "k_hat": k_hat}

    questions = [
        {
            "kind": "average",
            "name": "shallow",
            "box": {"z_m": [0, 240]},
            "linear_response": {"products": 5},
        },
        {"kind": "connected_volume", "name": "slow_body", "below_m_s": 2300},
    ]
    correlated = {"name": "correlated", "prior": {"kind": "matern", "length_m": 120}}
    disjoint = {"lower_m_s": [2900, 3700], "upper_m_s": [3500, 4500]}
    hypotheses = [
        {**correlated, "draws": 100},
        {"name": "disjoint", "prior": disjoint, "iterations": 10, "draws": 100},
    ]
    changes = {"posterior": posterior, "questions": questions, "hypotheses": hypotheses}

    def run(folder: Path) -> None:
        output = Project(folder, **changes).pvi("run", "tiny.yaml")
        (folder / "output.txt").write_text(output)

    return Project(made_once(tmp_path_factory, "finished", run), **changes)


@pytest.fixture
def surveyed(finished: Project, tmp_path: Path) -> Project:
    """A project with the survey and the checks of `finished`; none of its runs has begun."""
    made = Project(tmp_path)
    kept = ["results/tiny/survey*", "results/tiny/*/check.txt", ".snakemake/metadata/*"]
    for path in (found for name in kept for found in finished.folder.glob(name)):
        target = tmp_path / path.relative_to(finished.folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)
    return made


@pytest.fixture
def copied(finished: Project, tmp_path: Path) -> Project:
    """The finished project in a folder of its own, which a test may change."""
    folder = tmp_path / "copy"
    shutil.copytree(finished.folder, folder)
    return Project(
        folder, **{key: finished.tree[key] for key in ("posterior", "questions", "hypotheses")}
    )
