"""Content of trace files: `pvi inspect`."""
