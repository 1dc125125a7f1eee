"""The project that a folder or a file belongs to."""

from pvi_hpc.config import Project, load_project
from pvi_hpc.errors import ConfigError
from pvi_hpc.run.plan import total_iterations
from pvi_hpc.run.status import Status
from pvi_hpc.store.layout import ProjectPaths

__all__ = ["find_project", "read_statuses"]


def find_project(name: str) -> Project:
    """Read the configuration that a project was run with.

    Raises
    ------
    ConfigError
        If there is no such project here.
    """
    path = ProjectPaths.of(name).config
    if not path.exists():
        raise ConfigError(
            f"'{name}' has no {path} in this directory; give the name of a project that was "
            "begun here (pvi run config/<file>.yaml)."
        )
    return load_project(path)


def read_statuses(project: Project) -> list[Status]:
    """Return the state of every run; a run not yet begun is 'waiting'."""
    paths = ProjectPaths.of(project.name)
    waiting = [Status(r.name, "waiting", 0, total_iterations(r)) for r in project.resolved]
    return [Status.read(paths.run(s.run).status) or s for s in waiting]
