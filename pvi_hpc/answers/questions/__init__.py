"""Questions that a model answers with a number: one kind a file."""
