"""What `pvi check` looks at, one subject a file; `pvi_hpc.checks.run` puts them together."""
