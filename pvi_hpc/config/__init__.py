"""Run configuration: one frozen tree, checked once, before anything is submitted."""

from pvi_hpc.config.load import load_project, parse_project
from pvi_hpc.config.project import Project, Run

__all__ = ["Project", "Run", "load_project", "parse_project"]
