"""Checks of `pvi check`, one subject a file; `pvi_hpc.checks.run` puts them together."""
