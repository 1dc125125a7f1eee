"""Reference samplers for small problems: what a variational answer is compared with."""

from pvi_hpc.diagnostics.samplers.chains import Chains, sample_chains

__all__ = ["Chains", "sample_chains"]
