"""Variational inference: from a prior and a likelihood to a distribution of models."""
