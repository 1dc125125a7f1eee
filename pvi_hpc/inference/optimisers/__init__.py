"""Optimisers of variational parameters."""
