"""Paths of the files of a project and of its runs, relative to the working directory."""

from dataclasses import dataclass
from pathlib import Path

__all__ = ["ProjectPaths", "RunPaths"]


@dataclass(frozen=True)
class RunPaths:
    """Files of one run, `results/<project>/<run>/`."""

    folder: Path

    @property
    def checkpoints(self) -> Path:
        """Folder of checkpoints."""
        return self.folder / "checkpoints"

    @property
    def segments(self) -> Path:
        """Folder of manifests: which segments are done."""
        return self.folder / "segments"

    @property
    def claim(self) -> Path:
        """The settings that the run was begun with."""
        return self.folder / "settings.json"

    @property
    def status(self) -> Path:
        """File that `pvi status` reads; the controller rewrites it every iteration."""
        return self.folder / "status.json"

    @property
    def lease(self) -> Path:
        """Who is working on this run."""
        return self.folder / "lease.json"

    @property
    def ledger(self) -> Path:
        """Events of the simulations: failures, retries, lost workers."""
        return self.folder / "ledger.jsonl"

    @property
    def posterior(self) -> Path:
        """Mean, sd and quantiles."""
        return self.folder / "posterior.h5"

    @property
    def samples(self) -> Path:
        """Posterior samples (netCDF)."""
        return self.folder / "samples.nc"

    @property
    def vtk(self) -> Path:
        """The same fields for ParaView."""
        return self.folder / "posterior.vtkhdf"

    @property
    def predictive(self) -> Path:
        """Data simulated from posterior draws."""
        return self.folder / "predictive.h5"

    @property
    def predicted(self) -> Path:
        """Folder of what a predictive check has simulated, until it is done."""
        return self.folder / "predicted"

    @property
    def summary(self) -> Path:
        """Final figures of the run: ELBO, chi-squared, cost, versions."""
        return self.folder / "summary.json"

    @property
    def answers(self) -> Path:
        """Answers to the questions of the configuration."""
        return self.folder / "answers.json"

    @property
    def responding(self) -> Path:
        """Folder of how far the linear response of answers is, until it is done."""
        return self.folder / "responding"

    @property
    def corrected(self) -> "RunPaths":
        """Paths of the corrected posterior."""
        return RunPaths(self.folder / "corrected")

    @property
    def corrected_facts(self) -> Path:
        """Acceptance of its chains, and how it differs from the fit."""
        return self.folder / "corrected.json"

    @property
    def correcting(self) -> Path:
        """Folder of how far its chains are, until they are done."""
        return self.folder / "correcting"

    @property
    def hypotheses(self) -> Path:
        """Evidence of the hypotheses of the configuration, and their ranking."""
        return self.folder / "hypotheses.json"

    @property
    def bank(self) -> Path:
        """Folder of the draws of the prior and their data."""
        return self.folder / "bank"

    @property
    def network(self) -> Path:
        """Folder of what was learnt from them."""
        return self.folder / "network"

    @property
    def rounds(self) -> Path:
        """Folder of the rounds after the first: a bank of each."""
        return self.folder / "rounds"

    @property
    def learnt(self) -> Path:
        """Verdict of the networks, and what they were learnt from."""
        return self.network / "learn.json"

    @property
    def workplaces(self) -> tuple["RunPaths", ...]:
        """Folders that controllers work in, each with a lease and a ledger: the run first."""
        banks = self.bank, *sorted(self.rounds.glob("*/bank"))
        return self, *map(RunPaths, banks), RunPaths(self.network)

    def under(self, hypothesis: str) -> "RunPaths":
        """Return the paths of the posterior under a hypothesis."""
        return RunPaths(self.folder / "hypotheses" / hypothesis)


@dataclass(frozen=True)
class ProjectPaths:
    """Files of a project, `results/<project>/`."""

    folder: Path

    @classmethod
    def of(cls, project: str) -> "ProjectPaths":
        """Return the paths of the project of that name."""
        return cls(Path("results") / project)

    @property
    def config(self) -> Path:
        """The configuration as it was run."""
        return self.folder / "config.yaml"

    @property
    def survey(self) -> Path:
        """The internal survey file."""
        return self.folder / "survey.h5"

    @property
    def survey_claim(self) -> Path:
        """The settings that the survey file was made with."""
        return self.folder / "survey.json"

    @property
    def owner(self) -> Path:
        """File that names the process which runs the workflow."""
        return self.folder / "workflow.json"

    @property
    def stop(self) -> Path:
        """While it is there, controllers stop at their next safe point."""
        return self.folder / "stop"

    @property
    def log(self) -> Path:
        """Log of Snakemake."""
        return self.folder / "snakemake.log"

    @property
    def report(self) -> Path:
        """Folder of the report."""
        return self.folder / "report"

    def run(self, name: str) -> RunPaths:
        """Return the paths of one run."""
        return RunPaths(self.folder / name)
