"""The project that a folder or a file belongs to."""

from dataclasses import replace

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
    """Return the state of every run: 'waiting' if not yet begun, 'unknown' if unreadable."""
    paths = ProjectPaths.of(project.name)
    found = []
    for run in project.resolved:
        path = paths.run(run.name).status
        other = Status(run.name, "waiting", 0, total_iterations(run))
        if path.exists():
            other = replace(other, state="unknown", message=f"'{path}' cannot be read")
        found.append(Status.read(path) or other)
    return found
