"""Normalising flows: families whose map from `eps` to `theta` is a chain of layers."""
