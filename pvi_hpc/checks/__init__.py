"""What `pvi check` looks at, one subject a file; `pvi_hpc.check` puts them together."""
