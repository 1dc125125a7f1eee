"""Methods of variational inference: one file each, and what only they use."""
